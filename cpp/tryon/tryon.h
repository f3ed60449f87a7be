// The try-on: pictures become latents, person and garment are joined and denoised together, the person's half becomes
// a picture again.
#pragma once

#include <functional>
#include <memory>
#include <variant>

#include "models/unet/streamed_unet.h"
#include "nn/tap.h"
#include "sampling/solver.h"
#include "tryon/conditioning.h"

namespace catvton::tryon {

// Prepared pictures on the models' device.
struct Inputs {
  Tensor person;  // float32 [B, 3, H, W] in [-1, 1]
  // The picture, alike, or what the VAE made of it before: mean and std, float32 [B, 4, h, w].
  std::variant<Tensor, std::pair<Tensor, Tensor>> garment;
  OptionalTensor mask;  // float32 [B, 1, H, W], 1 where the garment is painted; needed by masked models only
};

// What predicts the noise, wherever its weights are.
struct Denoiser {
  models::UNetConfig config;
  ScalarType dtype;
  bool channels_last;  // the memory format that it computes in, as its weights are
  // input: [B, in_channels, H, W]; timesteps: float32 [B] -> [B, out_channels, H, W]. The batch has as many equal parts
  // as `branches`, independent of each other and with the same timesteps; they may be run one after the other. Either
  // all of them find their `deep` filled or none does.
  std::function<Tensor(const Tensor& input, const Tensor& timesteps, const std::vector<models::Shortcuts>& branches)>
      predict;
};

// one_by_one: the branches of guidance one after the other, which halves what a step needs besides the weights.
Denoiser resident(const models::UNet& unet, bool one_by_one);
Denoiser streamed(const models::StreamedUNet& unet);

// The VAE, asked for before the pictures are encoded and again before the result is decoded, and not held between: it
// may come from elsewhere, and what is not needed beside it may leave the device.
using VAESource = std::function<std::shared_ptr<const models::VAE>()>;

struct Options {
  int64_t steps = 50;
  double guidance = 2.5;  // 1 and below: no guidance
  double eta = 1.0;       // of ddim; 0: deterministic after the first noise
  sampling::DDIMConfig scheduler;
  nn::Strips strips;  // of the VAE's large maps
  std::string solver = "ddim";
  // Approximations, off unless changed. Guidance is left out of step i of n (from 0) where i / n is outside
  // [first, second). Of N = cache_interval steps one computes the whole UNet (models::Shortcuts).
  std::pair<double, double> guidance_interval = {0, 1};
  int64_t cache_interval = 1;
  int64_t token_downsampling = 1;  // the factor of nn/token_downsampling.h
  bool int8_scores = false;        // of every self-attention, ops::attention
};

// Throws std::invalid_argument for what is out of range, before any work.
void check(const Options& options);

// Standard normal float32 of the given shape on the models' device. Asked for in this order, which seeds depend on:
// the VAE's sample of the person [B, 4, h, w], of the garment [B, 4, h, w], the first latents (joined shape), and,
// where the solver draws noise (ddim with eta > 0, sde-dpm++), one of that shape a step, the last step included.
using Noise = std::function<Tensor(const Ints& shape)>;

// After each step: steps done, steps in all, the joined latents, float32. May throw to stop.
using OnStep = std::function<void(int64_t step, int64_t total, const Tensor& latents)>;

// Before each of those: the person's latents as they are expected to become, scaled, float32 [B, latent_channels, h, w].
using OnEstimate = std::function<void(const Tensor& estimate)>;

// -> float32 [B, H, W, 3] in [0, 1]
Tensor run(const Denoiser& unet, const VAESource& vae_source, const Inputs& inputs, const Options& options,
           const Noise& noise, const OnStep& on_step, const OnEstimate& on_estimate = {});

}  // namespace catvton::tryon
