// DDIM (arXiv 2010.02502), eta 0 to 1, as diffusers' DDIMScheduler computes it. All arithmetic in float32.
//
//   x0   = (x - sqrt(1 - a) eps) / sqrt(a)
//   prev = sqrt(a') x0 + sqrt(1 - a' - sigma^2) eps + sigma noise,   sigma = eta sqrt((1 - a') / (1 - a) (1 - a / a'))
//
// with a = alphas_cumprod[t], a' that of the previous timestep.
#pragma once

#include <string>
#include <vector>

#include "torch_stable/call.h"

namespace catvton::sampling {

// Under the names of diffusers' scheduler_config.json; the defaults are SD 1.5's.
struct DDIMConfig {
  int64_t num_train_timesteps = 1000;
  double beta_start = 0.00085, beta_end = 0.012;
  std::string beta_schedule = "scaled_linear";  // or "linear"
  bool set_alpha_to_one = false;
  int64_t steps_offset = 1;
  std::string timestep_spacing = "leading";  // or "trailing", "linspace"
};

struct DDIMStep {
  int64_t timestep;
  float sqrt_alpha, sqrt_beta;  // of this timestep
  float sqrt_alpha_prev;        // of the previous one
  float direction, sigma;       // factors of eps and of the noise

  Tensor pred_x0(const Tensor& eps, const Tensor& sample) const;
  // `noise` may be left out where sigma is 0.
  Tensor prev_sample(const Tensor& eps, const Tensor& pred_x0, const OptionalTensor& noise) const;
};

// float32 alphas_cumprod [num_train_timesteps].
std::vector<float> alphas_cumprod(const DDIMConfig& config);

// The timesteps of so many steps, from noise to picture, by the config's spacing.
Ints timesteps(const DDIMConfig& config, int64_t steps);

// The steps from noise to picture, first to last. Throws std::invalid_argument for steps outside 1..num_train_timesteps
// and eta outside 0..1.
std::vector<DDIMStep> ddim_steps(const DDIMConfig& config, int64_t steps, double eta);

}  // namespace catvton::sampling
