#include "sampling/solver.h"

#include <vector>

#include "sampling/guidance.h"
#include "sampling/multistep.h"
#include "torch_stable/ops.h"

namespace catvton::sampling {
namespace {

class DDIM : public Solver {
 public:
  DDIM(const DDIMConfig& config, int64_t steps, double eta) : steps_(ddim_steps(config, steps, eta)), eta_(eta) {}
  int64_t timestep(int64_t step) const override { return steps_.at(step).timestep; }
  bool draws_noise() const override { return eta_ > 0; }
  Tensor pred_x0(int64_t step, const Tensor& eps, const Tensor& sample) const override {
    return steps_.at(step).pred_x0(eps, sample);
  }
  Tensor prev_sample(int64_t step, const Tensor& eps, const Tensor& pred_x0, const Tensor&,
                     const OptionalTensor& noise) override {
    return steps_.at(step).prev_sample(eps, pred_x0, noise);
  }
  Stepped step(int64_t step, const Tensor& estimate, double guidance, const Tensor& sample,
               const OptionalTensor& noise) override {
    return guided_step(steps_.at(step), estimate, guidance, sample, noise);
  }

 private:
  std::vector<DDIMStep> steps_;
  double eta_;
};

class MultistepSolver : public Solver {
 public:
  MultistepSolver(const DDIMConfig& config, Multistep kind, int64_t steps)
      : steps_(multistep_steps(config, kind, steps)), draws_noise_(kind == Multistep::sde_dpmpp) {}
  int64_t timestep(int64_t step) const override { return steps_.at(step).timestep; }
  bool draws_noise() const override { return draws_noise_; }
  Tensor pred_x0(int64_t step, const Tensor& eps, const Tensor& sample) const override {
    return steps_.at(step).pred_x0(eps, sample);
  }
  Tensor prev_sample(int64_t step, const Tensor&, const Tensor& pred_x0, const Tensor& sample,
                     const OptionalTensor& noise) override {
    x0s_.insert(x0s_.begin(), pred_x0);
    if (x0s_.size() > 3) x0s_.pop_back();
    const MultistepStep& now = steps_.at(step);
    sample_ = now.corrects ? now.corrector(*sample_, x0s_) : sample;
    return now.predictor(*sample_, x0s_, noise);
  }

 private:
  std::vector<MultistepStep> steps_;
  bool draws_noise_;
  std::vector<Tensor> x0s_;  // newest first
  OptionalTensor sample_;    // that the last prediction started from
};

}  // namespace

Stepped Solver::step(int64_t step, const Tensor& estimate, double guidance, const Tensor& sample,
                     const OptionalTensor& noise) {
  const Tensor eps = guide_where_guided(ops::to(estimate, ScalarType::Float), guidance);
  const Tensor x0 = pred_x0(step, eps, sample);
  return {x0, prev_sample(step, eps, x0, sample, noise)};
}

std::unique_ptr<Solver> make_solver(const std::string& name, const DDIMConfig& config, int64_t steps, double eta) {
  if (name == "ddim") return std::make_unique<DDIM>(config, steps, eta);
  return std::make_unique<MultistepSolver>(config, multistep(name), steps);
}

}  // namespace catvton::sampling
