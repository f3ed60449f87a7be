#include "tryon/tryon.h"

#include <cstdio>
#include <stdexcept>
#include <tuple>

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

void check(const Inputs& inputs, const Options& options, Kind kind, const models::VAEConfig& vae) {
  check_shape("person", inputs.person, {-1, vae.in_channels, -1, -1});
  const int64_t batch = inputs.person.size(0), height = inputs.person.size(2), width = inputs.person.size(3);
  if (const auto* picture = std::get_if<Tensor>(&inputs.garment)) {
    check_shape("garment", *picture, {batch, vae.in_channels, height, width});
  } else {
    const Ints latent{batch, vae.latent_channels, height / vae.downscale(), width / vae.downscale()};
    check_shape("garment's mean", std::get<1>(inputs.garment).first, latent);
    check_shape("garment's std", std::get<1>(inputs.garment).second, latent);
  }
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

models::Posterior encode(const models::VAE& vae, const Tensor& images, const Options& options,
                         const std::string& tap_name) {
  tap::record(tap_name, "input", images);
  const Tensor converted = ops::to(images, vae.encoder.conv_in.bias.scalar_type());
  const models::Posterior posterior = vae.encode(converted, options.strips);
  const models::Posterior exact{.moments = posterior.moments,
                                .mean = ops::to(posterior.mean, ScalarType::Float),
                                .std = ops::to(posterior.std, ScalarType::Float)};
  tap::record(tap_name, "moments", exact.moments);
  tap::record(tap_name, "mean", exact.mean);
  tap::record(tap_name, "std", exact.std);
  return exact;
}

// Scaled latents, sampled from the posterior as the reference does. Float32 [B, latent_channels, h, w].
Tensor sampled(const models::Posterior& posterior, double scaling_factor, const Noise& noise,
               const std::string& tap_name) {
  Tensor sample = posterior.sample(noise(shape_of(posterior.mean)));
  tap::record(tap_name, "sample_unscaled", sample);
  return ops::mul(sample, scaling_factor);
}

Tensor denoise(const Denoiser& unet, const Conditioning& conditioning, const Options& options,
               const std::vector<sampling::DDIMStep>& steps, const Noise& noise, const OnStep& on_step,
               const OnEstimate& on_estimate) {
  const bool guided = sampling::guided(options.guidance);
  Tensor latents = noise(shape_of(conditioning.condition));  // DDIM's initial sigma is 1
  for (size_t i = 0; i < steps.size(); ++i) {
    const std::string tap_name = tap::on() ? numbered("step.%03d", i) : "";
    const Tensor input = conditioning.unet_input(latents, guided);  // [B or 2B, in_channels, joined]
    const Tensor timesteps = ops::full({input.size(0)}, steps[i].timestep, ScalarType::Float, input);
    tap::record(tap_name, "timestep", timesteps);
    tap::record(tap_name, "unet_in", input);
    const Tensor output =
        ops::to(unet.predict(ops::to(input, unet.dtype), timesteps, guided ? 2 : 1), ScalarType::Float);
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
Tensor decode(const models::VAE& vae, const Tensor& latents, const nn::Strips& strips) {
  const Tensor unscaled = ops::mul(latents, 1.0 / vae.config.scaling_factor);
  tap::record("decode", "input", unscaled);
  const Tensor converted = ops::to(unscaled, vae.decoder.conv_in.bias.scalar_type());
  const Tensor decoded = ops::to(vae.decode(converted, strips), ScalarType::Float);  // [B, 3, H, W]
  tap::record("decode", "output_f", decoded);
  const Tensor half = ops::full({}, 0.5, ScalarType::Float, decoded);
  Tensor images = ops::clamp(ops::add(ops::mul(decoded, 0.5), half), 0.0, 1.0);
  images = ops::contiguous(ops::permute(images, {0, 2, 3, 1}));  // [B, H, W, 3]
  tap::record("decode", "clamped_nhwc", images);
  return images;
}

}  // namespace

Denoiser resident(const models::UNet& unet, bool one_by_one) {
  return {unet.config, unet.conv_in.bias.scalar_type(),
          [&unet, one_by_one](const Tensor& input, const Tensor& timesteps, int64_t branches) {
            if (!one_by_one || branches == 1) return unet(input, timesteps);
            const auto inputs = ops::chunk(input, branches, 0), times = ops::chunk(timesteps, branches, 0);
            std::vector<Tensor> outputs;
            for (size_t i = 0; i < inputs.size(); ++i) outputs.push_back(unet(inputs[i], times[i]));
            return ops::cat(outputs, 0);
          }};
}

Denoiser streamed(const models::StreamedUNet& unet) {
  return {unet.config, unet.dtype, [&unet](const Tensor& input, const Tensor& timesteps, int64_t branches) {
            const auto outputs = unet(ops::chunk(input, branches, 0), ops::chunk(timesteps, branches, 0)[0]);
            return branches == 1 ? outputs[0] : ops::cat(outputs, 0);
          }};
}

Tensor run(const Denoiser& unet, const VAESource& vae_source, const Inputs& inputs, const Options& options,
           const Noise& noise, const OnStep& on_step, const OnEstimate& on_estimate) {
  std::shared_ptr<const models::VAE> vae = vae_source();
  const models::VAEConfig vae_config = vae->config;
  const Kind kind = kind_of(unet.config, vae_config);
  check(inputs, options, kind, vae_config);
  const auto steps = sampling::ddim_steps(options.scheduler, options.steps, options.eta);  // refuses before any work

  const Noise draw = [&](const Ints& shape) {
    Tensor drawn = noise(shape);
    check_shape("noise", drawn, shape);
    return drawn;
  };
  auto latents_of = [&](const models::Posterior& posterior, const char* tap_name) {
    return sampled(posterior, vae_config.scaling_factor, draw, tap_name);
  };

  const Tensor person = kind == Kind::masked ? ops::mul(inputs.person, ops::less(*inputs.mask, 0.5)) : inputs.person;
  const Tensor person_latents = latents_of(encode(*vae, person, options, "vae.masked_person"), "vae.masked_person");
  models::Posterior garment;
  if (const auto* picture = std::get_if<Tensor>(&inputs.garment)) {
    garment = encode(*vae, *picture, options, "vae.cloth");
  } else {
    std::tie(garment.mean, garment.std) = std::get<1>(inputs.garment);
  }
  const Tensor garment_latents = latents_of(garment, "vae.cloth");
  vae.reset();
  const Conditioning conditioning = join(kind, person_latents, garment_latents, inputs.mask);
  const Tensor latents = denoise(unet, conditioning, options, steps, draw, on_step, on_estimate);
  vae = vae_source();
  return decode(*vae, person_half(kind, latents), options.strips);
}

}  // namespace catvton::tryon
