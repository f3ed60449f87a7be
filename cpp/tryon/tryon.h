// The try-on: pictures become latents, person and garment are joined and denoised together, the person's half becomes
// a picture again.
#pragma once

#include <functional>

#include "nn/tap.h"
#include "sampling/ddim.h"
#include "tryon/conditioning.h"

namespace catvton::tryon {

// Prepared pictures on the models' device.
struct Inputs {
  Tensor person, garment;  // float32 [B, 3, H, W] in [-1, 1]
  OptionalTensor mask;     // float32 [B, 1, H, W], 1 where the garment is painted; needed by masked models only
};

struct Options {
  int64_t steps = 50;
  double guidance = 2.5;  // 1 and below: no guidance
  double eta = 1.0;       // 0: deterministic after the first noise
  sampling::DDIMConfig scheduler;
};

// Standard normal float32 of the given shape on the models' device. Asked for in this order, which seeds depend on:
// the VAE's sample of the person [B, 4, h, w], of the garment [B, 4, h, w], the first latents (joined shape), and,
// where eta > 0, one of that shape a step, the last step included.
using Noise = std::function<Tensor(const Ints& shape)>;

// After each step: steps done, steps in all, the joined latents, float32. May throw to stop.
using OnStep = std::function<void(int64_t step, int64_t total, const Tensor& latents)>;

// Before each of those: the person's latents as they are expected to become, scaled, float32 [B, latent_channels, h, w].
using OnEstimate = std::function<void(const Tensor& estimate)>;

// -> float32 [B, H, W, 3] in [0, 1]
Tensor run(const models::UNet& unet, const models::VAE& vae, const Inputs& inputs, const Options& options,
           const Noise& noise, const OnStep& on_step, const OnEstimate& on_estimate = {});

}  // namespace catvton::tryon
