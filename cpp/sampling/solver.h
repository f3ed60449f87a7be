// How a trajectory gets from noise to picture, step by step: DDIM (ddim.h) or a multistep solver (multistep.h).
#pragma once

#include <memory>
#include <string>

#include "sampling/ddim.h"

namespace catvton::sampling {

// One trajectory: the steps are to be taken once each, in their order.
class Solver {
 public:
  virtual ~Solver() = default;
  virtual int64_t timestep(int64_t step) const = 0;
  virtual bool draws_noise() const = 0;  // in every step, the last one included, so that the order of draws is fixed
  virtual Tensor pred_x0(int64_t step, const Tensor& eps, const Tensor& sample) const = 0;
  // `pred_x0`: what that gave. `noise`: where draws_noise().
  virtual Tensor prev_sample(int64_t step, const Tensor& eps, const Tensor& pred_x0, const Tensor& sample,
                             const OptionalTensor& noise) = 0;
};

// name: "ddim", "unipc" or "sde-dpm++"; eta is ddim's. Throws std::invalid_argument for other names, and for steps and
// eta out of range.
std::unique_ptr<Solver> make_solver(const std::string& name, const DDIMConfig& config, int64_t steps, double eta);

}  // namespace catvton::sampling
