#include "tryon/tryon.h"

#include <cstdio>
#include <stdexcept>

#include "sampling/guidance.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::tryon {
namespace {

std::string numbered(const char* format, int64_t number) {
  char text[32];
  std::snprintf(text, sizeof text, format, static_cast<int>(number));
  return text;
}

void check(const Inputs& inputs, const Options& options, Kind kind, const models::VAE& vae) {
  check_shape("person", inputs.person, {-1, vae.config.in_channels, -1, -1});
  const int64_t batch = inputs.person.size(0), height = inputs.person.size(2), width = inputs.person.size(3);
  check_shape("garment", inputs.garment, {batch, vae.config.in_channels, height, width});
  if (kind == Kind::masked) {
    if (!inputs.mask) {
      throw std::invalid_argument("this is a masked model (9-channel UNet): it needs a mask of the area to repaint");
    }
    check_shape("mask", *inputs.mask, {batch, 1, height, width});
  }
  if (!(options.guidance >= 0.0)) {
    throw std::invalid_argument("guidance must be 0 or more, got " + std::to_string(options.guidance));
  }
}

// Scaled latents, sampled from the posterior as the reference does. Float32 [B, latent_channels, h, w].
Tensor encode(const models::VAE& vae, const Tensor& images, const Noise& noise, const std::string& tap_name) {
  tap::record(tap_name, "input", images);
  const models::Posterior posterior = vae.encode(ops::to(images, vae.encoder.conv_in.weight.scalar_type()));
  const models::Posterior exact{.moments = posterior.moments,
                                .mean = ops::to(posterior.mean, ScalarType::Float),
                                .std = ops::to(posterior.std, ScalarType::Float)};
  tap::record(tap_name, "moments", exact.moments);
  tap::record(tap_name, "mean", exact.mean);
  tap::record(tap_name, "std", exact.std);
  Tensor sample = exact.sample(noise(shape_of(exact.mean)));
  tap::record(tap_name, "sample_unscaled", sample);
  return ops::mul(sample, vae.config.scaling_factor);
}

Tensor denoise(const models::UNet& unet, const Conditioning& conditioning, const Options& options,
               const std::vector<sampling::DDIMStep>& steps, const Noise& noise, const OnStep& on_step,
               const OnEstimate& on_estimate) {
  const bool guided = sampling::guided(options.guidance);
  const ScalarType dtype = unet.conv_in.weight.scalar_type();
  Tensor latents = noise(shape_of(conditioning.condition));  // DDIM's initial sigma is 1
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string tap_name = tap::on() ? numbered("step.%03d", i) : "";
    const Tensor input = conditioning.unet_input(latents, guided);  // [B or 2B, in_channels, joined]
    const Tensor timesteps = ops::full({input.size(0)}, steps[i].timestep, ScalarType::Float, input);
    tap::record(tap_name, "timestep", timesteps);
    tap::record(tap_name, "unet_in", input);
    const Tensor output = ops::to(unet(ops::to(input, dtype), timesteps), ScalarType::Float);
    tap::record(tap_name, "unet_out", output);
    const Tensor eps = guided ? sampling::guide(output, options.guidance) : output;  // [B, latent_channels, joined]
    tap::record(tap_name, "eps_cfg", eps);
    tap::record(tap_name, "sample", latents);
    const Tensor x0 = steps[i].pred_x0(eps, latents);
    tap::record(tap_name, "pred_x0", x0);
    // Drawn for every step of a stochastic run, even where sigma should be 0, so that the order of draws is fixed.
    const OptionalTensor variance = options.eta > 0 ? OptionalTensor{noise(shape_of(latents))} : std::nullopt;
    latents = steps[i].prev_sample(eps, x0, variance);
    tap::record(tap_name, "prev_sample", latents);
    if (on_estimate) on_estimate(person_half(conditioning.kind, x0));
    if (on_step) on_step(static_cast<int64_t>(i) + 1, options.steps, latents);
  }
  return latents;
}

// latents: scaled, float32 [B, latent_channels, h, w] -> [B, H, W, 3] in [0, 1]
Tensor decode(const models::VAE& vae, const Tensor& latents) {
  const Tensor unscaled = ops::mul(latents, 1.0 / vae.config.scaling_factor);
  tap::record("decode", "input", unscaled);
  const Tensor decoded = ops::to(vae.decode(ops::to(unscaled, vae.decoder.conv_in.weight.scalar_type())),
                                 ScalarType::Float);  // [B, 3, H, W]
  tap::record("decode", "output_f", decoded);
  const Tensor half = ops::full({}, 0.5, ScalarType::Float, decoded);
  Tensor images = ops::clamp(ops::add(ops::mul(decoded, 0.5), half), 0.0, 1.0);
  images = ops::contiguous(ops::permute(images, {0, 2, 3, 1}));  // [B, H, W, 3]
  tap::record("decode", "clamped_nhwc", images);
  return images;
}

}  // namespace

Tensor run(const models::UNet& unet, const models::VAE& vae, const Inputs& inputs, const Options& options,
           const Noise& noise, const OnStep& on_step, const OnEstimate& on_estimate) {
  const Kind kind = kind_of(unet.config, vae.config);
  check(inputs, options, kind, vae);
  const auto steps = sampling::ddim_steps(options.scheduler, options.steps, options.eta);  // refuses before any work

  const Noise draw = [&](const Ints& shape) {
    Tensor drawn = noise(shape);
    check_shape("noise", drawn, shape);
    return drawn;
  };

  const Tensor person = kind == Kind::masked ? ops::mul(inputs.person, ops::less(*inputs.mask, 0.5)) : inputs.person;
  const Tensor person_latents = encode(vae, person, draw, "vae.masked_person");
  const Tensor garment_latents = encode(vae, inputs.garment, draw, "vae.cloth");
  const Conditioning conditioning = join(kind, person_latents, garment_latents, inputs.mask);
  const Tensor latents = denoise(unet, conditioning, options, steps, draw, on_step, on_estimate);
  return decode(vae, person_half(kind, latents));
}

}  // namespace catvton::tryon
