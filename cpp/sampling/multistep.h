// Multistep solvers of the diffusion's equation: each step combines the sample with this step's predicted x0 and those
// of steps before. With s = sqrt((1 - a) / a), a = alphas_cumprod[t], and lambda = -log s, alpha = 1 / sqrt(1 + s^2),
// sigma = s alpha:
//
//   unipc      UniPC (arXiv 2302.04867), order 2, B(h) = expm1(-h): UniP predicts, and UniC corrects the sample once the
//              network has seen it; as diffusers' UniPCMultistepScheduler. Deterministic after the first noise.
//   sde-dpm++  SDE-DPM-Solver++ 2M (arXiv 2211.01095), midpoint; as diffusers' DPMSolverMultistepScheduler with
//              algorithm_type sde-dpmsolver++. Fresh noise in each step.
//
// Both end at s = 0, and are of first order in their first and their last step.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "sampling/ddim.h"

namespace catvton::sampling {

enum class Multistep { unipc, sde_dpmpp };

// "unipc" or "sde-dpm++"; throws std::invalid_argument for other names.
Multistep multistep(const std::string& name);

// sample * x + x0[0] * this step's x0 + x0[1] * that of the step before + x0[2] * the one before that + noise * noise
struct Combination {
  float sample = 0;
  std::array<float, 3> x0{};
  float noise = 0;

  // x0s: newest first; `noise` may be left out where its factor is 0.
  Tensor operator()(const Tensor& x, const std::vector<Tensor>& x0s, const OptionalTensor& noise_drawn = {}) const;
};

struct MultistepStep {
  int64_t timestep;
  float alpha, sigma;     // of this timestep: x = alpha x0 + sigma eps
  bool corrects = false;  // unipc, from the second step on: the sample is computed anew, from that of the step before
  Combination corrector;  // of the step before's sample
  Combination predictor;  // of this one's

  Tensor pred_x0(const Tensor& eps, const Tensor& sample) const;
};

// The steps from noise to picture, first to last. Throws std::invalid_argument for steps outside
// 1..num_train_timesteps - 1.
std::vector<MultistepStep> multistep_steps(const DDIMConfig& config, Multistep solver, int64_t steps);

}  // namespace catvton::sampling
