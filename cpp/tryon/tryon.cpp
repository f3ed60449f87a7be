#include "tryon/tryon.h"

#include <array>
#include <cstdio>
#include <stdexcept>
#include <tuple>

#include "ops/attention/attention.h"
#include "ops/kernels.h"
#include "sampling/guidance.h"
#include "torch_stable/free_memory.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::tryon {
namespace {

std::string numbered(const char* format, int64_t number) {
  char text[32];
  std::snprintf(text, sizeof text, format, static_cast<int>(number));
  return text;
}

void check(const Inputs& inputs, Kind kind, const models::VAEConfig& vae) {
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
}

// like: of the UNet's dtype, on its device
void check_int8_scores(const Tensor& like) {
  if (ops::attends_in_int8(like)) return;
  throw std::invalid_argument(std::string("int8_scores are for a CPU with AVX512-VNNI, in float32 or bfloat16; got ") +
                              to_text(like.scalar_type()) + " on " + to_text(like.device()) +
                              "; leave int8_scores out");
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

// Where each step may leave something out, and what later ones need for that.
class Approximations {
 public:
  Approximations(const Options& options, Kind kind)
      : options_(options), tokens_{options.token_downsampling, joined_dim(kind)} {}

  bool guided(int64_t step) const {
    const double place = static_cast<double>(step) / options_.steps;
    const auto [start, stop] = options_.guidance_interval;
    return sampling::guided(options_.guidance) && start <= place && place < stop;
  }

  // For the branches of guidance in a step, the conditional one last.
  std::vector<models::Shortcuts> branches(int64_t step) {
    const size_t first = guided(step) ? 0 : 1;
    // A branch that was not computed in the last whole step has nothing to go on with.
    if (step % options_.cache_interval == 0 || !deep_[first]) deep_ = {};
    std::vector<models::Shortcuts> result;
    for (size_t i = first; i < deep_.size(); ++i) {
      result.push_back({tokens_, options_.int8_scores, options_.cache_interval > 1 ? &deep_[i] : nullptr});
    }
    return result;
  }

 private:
  const Options& options_;
  nn::TokenDownsampling tokens_;
  std::array<OptionalTensor, 2> deep_;  // of the unconditional and of the conditional branch
};

Tensor denoise(const Denoiser& unet, const Conditioning& conditioning, const Options& options, sampling::Solver& solver,
               const Noise& noise, const OnStep& on_step, const OnEstimate& on_estimate) {
  Approximations approximations(options, conditioning.kind);
  Tensor latents = noise(conditioning.joined_shape());  // every solver's initial sigma is 1
  for (int64_t i = 0; i < options.steps; ++i) {
    const std::string tap_name = tap::on() ? numbered("step.%03d", i) : "";
    const bool guided = approximations.guided(i);
    const double guidance = guided ? options.guidance : 1.0;
    // [B or 2B, in_channels, joined]
    const Tensor input = conditioning.unet_input(latents, {guided, unet.dtype, unet.channels_last});
    const Tensor timesteps = ops::full({input.size(0)}, solver.timestep(i), ScalarType::Float, input);
    tap::record(tap_name, "timestep", timesteps);
    if (tap::on()) {
      tap::record(tap_name, "unet_in", conditioning.unet_input(latents, {guided, ScalarType::Float}));
    }
    const Tensor estimate = unet.predict(input, timesteps, approximations.branches(i));
    if (tap::on()) {
      const Tensor output = ops::to(estimate, ScalarType::Float);
      tap::record(tap_name, "unet_out", output);
      tap::record(tap_name, "eps_cfg", sampling::guide_where_guided(output, guidance));
      tap::record(tap_name, "sample", latents);
    }
    const OptionalTensor variance = solver.draws_noise() ? OptionalTensor{noise(shape_of(latents))} : std::nullopt;
    const auto [x0, next] = solver.step(i, estimate, guidance, latents, variance);
    tap::record(tap_name, "pred_x0", x0);
    latents = next;  // [B, latent_channels, joined]
    tap::record(tap_name, "prev_sample", latents);
    if (on_estimate) on_estimate(person_half(conditioning.kind, x0));
    if (on_step) on_step(i + 1, options.steps, latents);
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

// All branches in one batch: what each of them keeps is its part of what the batch keeps.
Tensor at_once(const models::UNet& unet, const Tensor& input, const Tensor& timesteps,
               const std::vector<models::Shortcuts>& branches) {
  models::Shortcuts all = branches[0];
  if (all.deep == nullptr) return unet(input, timesteps, all);
  OptionalTensor deep;
  const bool reuses = all.reuses();
  if (reuses) {
    std::vector<Tensor> parts;
    for (const models::Shortcuts& branch : branches) parts.push_back(branch.deep->value());
    deep = ops::cat(parts, 0);
  }
  all.deep = &deep;
  const Tensor output = unet(input, timesteps, all);
  if (!reuses) {
    const auto parts = ops::chunk(*deep, static_cast<int64_t>(branches.size()), 0);
    for (size_t i = 0; i < branches.size(); ++i) *branches[i].deep = parts[i];
  }
  return output;
}

}  // namespace

void check(const Options& options) {
  auto require = [](bool fits, const std::string& problem) {
    if (!fits) throw std::invalid_argument(problem);
  };
  sampling::make_solver(options.solver, options.scheduler, options.steps, options.eta);
  require(options.guidance >= 0.0, "guidance must be 0 or more, got " + std::to_string(options.guidance));
  const auto [start, stop] = options.guidance_interval;
  require(0 <= start && start < stop && stop <= 1,
          "guidance_interval must be (start, stop) with 0 <= start < stop <= 1, got (" + std::to_string(start) + ", " +
              std::to_string(stop) + "); guidance=1 turns guidance off");
  require(options.cache_interval >= 1,
          "cache_interval must be 1 (off) or more, got " + std::to_string(options.cache_interval));
  require(options.token_downsampling >= 1,
          "token_downsampling must be 1 (off) or more, got " + std::to_string(options.token_downsampling));
}

Denoiser resident(const models::UNet& unet, bool one_by_one) {
  const nn::Conv2d& conv = unet.conv_in;
  return {unet.config, conv.bias.scalar_type(), !conv.packed && ops::is_channels_last(conv.weight),
          [&unet, one_by_one](const Tensor& input, const Tensor& timesteps,
                              const std::vector<models::Shortcuts>& branches) {
            const int64_t count = static_cast<int64_t>(branches.size());
            if (count == 1) return unet(input, timesteps, branches[0]);
            if (!one_by_one) return at_once(unet, input, timesteps, branches);
            const auto inputs = ops::chunk(input, count, 0), times = ops::chunk(timesteps, count, 0);
            std::vector<Tensor> outputs;
            for (size_t i = 0; i < inputs.size(); ++i) outputs.push_back(unet(inputs[i], times[i], branches[i]));
            return ops::cat(outputs, 0);
          }};
}

Denoiser streamed(const models::StreamedUNet& unet) {
  return {unet.config, unet.dtype, /*channels_last=*/false,
          [&unet](const Tensor& input, const Tensor& timesteps, const std::vector<models::Shortcuts>& branches) {
            const int64_t count = static_cast<int64_t>(branches.size());
            const auto outputs = unet(ops::chunk(input, count, 0), ops::chunk(timesteps, count, 0)[0], branches);
            return count == 1 ? outputs[0] : ops::cat(outputs, 0);
          }};
}

Tensor run(const Denoiser& unet, const VAESource& vae_source, const Inputs& inputs, const Options& options,
           const Noise& noise, const OnStep& on_step, const OnEstimate& on_estimate) {
  std::shared_ptr<const models::VAE> vae = vae_source();
  const models::VAEConfig vae_config = vae->config;
  const Kind kind = kind_of(unet.config, vae_config);
  check(inputs, kind, vae_config);
  check(options);
  if (options.int8_scores) check_int8_scores(torch::stable::new_empty(inputs.person, {0}, unet.dtype));
  const auto solver = sampling::make_solver(options.solver, options.scheduler, options.steps, options.eta);

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
  torch_stable::give_back_free_memory();
  const Conditioning conditioning = condition(kind, person_latents, garment_latents, inputs.mask);
  const Tensor latents = denoise(unet, conditioning, options, *solver, draw, on_step, on_estimate);
  torch_stable::give_back_free_memory();
  vae = vae_source();
  return decode(*vae, person_half(kind, latents), options.strips);
}

}  // namespace catvton::tryon
