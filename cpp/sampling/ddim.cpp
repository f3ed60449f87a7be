#include "sampling/ddim.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "torch_stable/ops.h"

namespace catvton::sampling {
namespace {

// torch.linspace in float32, bit for bit: from both ends towards the middle, each value rounded once.
std::vector<float> linspace(float start, float end, int64_t count) {
  std::vector<float> values(count, start);
  if (count == 1) return values;
  const float step = (end - start) / static_cast<float>(count - 1);
  for (int64_t i = 0; i < count; ++i) {
    values[i] = i < count / 2 ? std::fma(step, static_cast<float>(i), start)
                              : std::fma(-step, static_cast<float>(count - 1 - i), end);
  }
  return values;
}

// Half to even, as numpy rounds.
int64_t rounded(double value) { return static_cast<int64_t>(std::nearbyint(value)); }

}  // namespace

std::vector<float> alphas_cumprod(const DDIMConfig& config) {
  if (config.num_train_timesteps < 1) throw std::invalid_argument("scheduler: num_train_timesteps must be positive");
  const bool scaled = config.beta_schedule == "scaled_linear";
  if (!scaled && config.beta_schedule != "linear") {
    throw std::invalid_argument("scheduler: beta_schedule must be scaled_linear or linear, got " +
                                config.beta_schedule);
  }
  auto betas =
      linspace(static_cast<float>(scaled ? std::sqrt(config.beta_start) : config.beta_start),
               static_cast<float>(scaled ? std::sqrt(config.beta_end) : config.beta_end), config.num_train_timesteps);
  std::vector<float> products;
  double product = 1.0;  // torch.cumprod accumulates float32 in double
  for (float beta : betas) {
    product *= 1.0f - (scaled ? beta * beta : beta);
    products.push_back(static_cast<float>(product));
  }
  return products;
}

Ints timesteps(const DDIMConfig& config, int64_t steps) {
  const int64_t trained = config.num_train_timesteps;
  Ints result;
  if (config.timestep_spacing == "leading") {
    const int64_t ratio = trained / steps;
    // With every timestep in use the offset would point behind the table (diffusers raises an IndexError there).
    const int64_t offset = std::min(config.steps_offset, trained - 1 - (steps - 1) * ratio);
    for (int64_t i = steps - 1; i >= 0; --i) result.push_back(i * ratio + offset);
  } else if (config.timestep_spacing == "trailing") {
    // numpy.arange steps by the difference of its first two values, and ties of the rounding depend on it. Where that
    // makes diffusers list one timestep more, -1, ours ends before it.
    const double first = static_cast<double>(trained), second = first - first / steps;
    for (int64_t i = 0; i < steps; ++i) result.push_back(rounded(first + i * (second - first)) - 1);
  } else if (config.timestep_spacing == "linspace") {
    const double ratio = steps > 1 ? static_cast<double>(trained - 1) / (steps - 1) : 0.0;  // numpy.linspace
    for (int64_t i = steps - 1; i >= 0; --i) result.push_back(rounded(i * ratio));
  } else {
    throw std::invalid_argument("scheduler: timestep_spacing must be leading, trailing or linspace, got " +
                                config.timestep_spacing);
  }
  return result;
}

std::vector<DDIMStep> ddim_steps(const DDIMConfig& config, int64_t steps, double eta) {
  if (steps < 1 || steps > config.num_train_timesteps) {
    throw std::invalid_argument("steps must be 1 to " + std::to_string(config.num_train_timesteps) + ", got " +
                                std::to_string(steps));
  }
  if (!(eta >= 0.0 && eta <= 1.0)) {
    throw std::invalid_argument("eta must be between 0 (deterministic) and 1, got " + std::to_string(eta));
  }
  const std::vector<float> alphas = alphas_cumprod(config);
  const float final_alpha = config.set_alpha_to_one ? 1.0f : alphas.front();
  std::vector<DDIMStep> result;
  for (int64_t t : timesteps(config, steps)) {
    const int64_t previous = t - config.num_train_timesteps / steps;
    const float alpha = alphas.at(t), alpha_prev = previous >= 0 ? alphas[previous] : final_alpha;
    const float variance = (1.0f - alpha_prev) / (1.0f - alpha) * (1.0f - alpha / alpha_prev);
    // The last step may go "up" by a hair (alpha_prev < alpha never holds for SD's schedules, but rounding can).
    const float sigma = static_cast<float>(eta) * std::sqrt(std::max(variance, 0.0f));
    result.push_back({.timestep = t,
                      .sqrt_alpha = std::sqrt(alpha),
                      .sqrt_beta = std::sqrt(1.0f - alpha),
                      .sqrt_alpha_prev = std::sqrt(alpha_prev),
                      .direction = std::sqrt(std::max(1.0f - alpha_prev - sigma * sigma, 0.0f)),
                      .sigma = sigma});
  }
  return result;
}

Tensor DDIMStep::pred_x0(const Tensor& eps, const Tensor& sample) const {
  return ops::div(ops::sub(sample, ops::mul(eps, sqrt_beta)), sqrt_alpha);
}

Tensor DDIMStep::prev_sample(const Tensor& eps, const Tensor& pred_x0, const OptionalTensor& noise) const {
  Tensor prev = ops::add(ops::mul(pred_x0, sqrt_alpha_prev), ops::mul(eps, direction));
  return sigma > 0 ? ops::add(prev, ops::mul(noise.value(), sigma)) : prev;
}

}  // namespace catvton::sampling
