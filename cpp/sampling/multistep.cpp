#include "sampling/multistep.h"

#include <cmath>
#include <optional>
#include <stdexcept>

#include "torch_stable/ops.h"

namespace catvton::sampling {
namespace {

// A place on the way from noise to picture. All in double, for differences of lambdas cancel.
struct Point {
  double alpha, sigma, lambda;
  static Point of(double s) {
    const double alpha = 1 / std::sqrt(1 + s * s);
    return {alpha, s * alpha, -std::log(s)};  // s = 0: lambda is infinite, and every factor below has its limit
  }
};

// UniP and UniC in one: from `from` to `to`, with x0 known at `from`, at `before` (order 2) and, for the corrector, at
// `to`. x0 of the result: that at `to`, at `from`, at `before`.
Combination unipc(const Point& to, const Point& from, const std::optional<Point>& before, bool corrects) {
  const double h = to.lambda - from.lambda, phi_1 = std::expm1(-h);
  const double rk = before ? (before->lambda - from.lambda) / h : 1.0;
  double rho_before = 0, rho_to = 0;  // of the differences (x0 at `before` - x0 at `from`) / rk, and x0 at `to` - ...
  if (!corrects) {
    rho_before = before ? 0.5 : 0.0;
  } else if (!before) {
    rho_to = 0.5;
  } else {
    // The order conditions: rho_before + rho_to = b1, rk rho_before + rho_to = b2.
    const double phi_2 = phi_1 / -h - 1, phi_3 = phi_2 / -h - 0.5;
    const double b1 = phi_2 / phi_1, b2 = 2 * phi_3 / phi_1;
    rho_before = (b2 - b1) / (rk - 1);
    rho_to = b1 - rho_before;
  }
  const double scale = -to.alpha * phi_1;
  return {.sample = static_cast<float>(to.sigma / from.sigma),
          .x0 = {static_cast<float>(scale * rho_to), static_cast<float>(scale * (1 - rho_to - rho_before / rk)),
                 static_cast<float>(scale * rho_before / rk)},
          .noise = 0};
}

Combination sde_dpmpp(const Point& to, const Point& from, const std::optional<Point>& before) {
  const double h = to.lambda - from.lambda, gained = -std::expm1(-2 * h);
  const double half = before ? 0.5 * h / (from.lambda - before->lambda) : 0.0;  // 1 / (2 r0)
  return {.sample = static_cast<float>(to.sigma / from.sigma * std::exp(-h)),
          .x0 = {static_cast<float>(to.alpha * gained * (1 + half)), static_cast<float>(-to.alpha * gained * half), 0},
          .noise = static_cast<float>(to.sigma * std::sqrt(gained))};
}

}  // namespace

Multistep multistep(const std::string& name) {
  if (name == "unipc") return Multistep::unipc;
  if (name == "sde-dpm++") return Multistep::sde_dpmpp;
  throw std::invalid_argument("solver must be ddim, unipc or sde-dpm++, got " + name);
}

std::vector<MultistepStep> multistep_steps(const DDIMConfig& config, Multistep solver, int64_t steps) {
  if (steps < 1 || steps >= config.num_train_timesteps) {
    throw std::invalid_argument("steps must be 1 to " + std::to_string(config.num_train_timesteps - 1) +
                                " with this solver, got " + std::to_string(steps));
  }
  const std::vector<float> alphas = alphas_cumprod(config);
  // The end, s = 0, is one step more, and its timestep is never asked for.
  Ints times = timesteps(config, config.timestep_spacing == "trailing" ? steps : steps + 1);
  times.resize(steps);
  std::vector<Point> points;
  for (int64_t t : times) points.push_back(Point::of(std::sqrt((1.0 - alphas.at(t)) / alphas.at(t))));
  points.push_back(Point::of(0));

  std::vector<MultistepStep> result;
  for (int64_t i = 0; i < steps; ++i) {
    auto before = [&](int64_t at) { return at > 0 ? std::optional{points[at - 1]} : std::nullopt; };
    // The last step has nothing to be of second order for: its end is x0 itself.
    const std::optional<Point> known = i + 1 < steps ? before(i) : std::nullopt;
    MultistepStep step{.timestep = times[i],
                       .alpha = static_cast<float>(points[i].alpha),
                       .sigma = static_cast<float>(points[i].sigma),
                       .corrects = solver == Multistep::unipc && i > 0,
                       .corrector = {},
                       .predictor = {}};
    if (solver == Multistep::sde_dpmpp) {
      step.predictor = sde_dpmpp(points[i + 1], points[i], known);
    } else {
      step.predictor = unipc(points[i + 1], points[i], known, false);
      // Seen from the predictor, what it leads to is unknown: its x0 are this step's and older ones.
      step.predictor.x0 = {step.predictor.x0[1], step.predictor.x0[2], 0};
      if (step.corrects) step.corrector = unipc(points[i], points[i - 1], before(i - 1), true);
    }
    result.push_back(step);
  }
  return result;
}

Tensor MultistepStep::pred_x0(const Tensor& eps, const Tensor& sample) const {
  return ops::div(ops::sub(sample, ops::mul(eps, sigma)), alpha);
}

Tensor Combination::operator()(const Tensor& x, const std::vector<Tensor>& x0s,
                               const OptionalTensor& noise_drawn) const {
  Tensor sum = ops::mul(x, sample);
  for (size_t i = 0; i < x0.size(); ++i) {
    if (x0[i] != 0) sum = ops::add(sum, ops::mul(x0s.at(i), x0[i]));
  }
  return noise != 0 ? ops::add(sum, ops::mul(noise_drawn.value(), noise)) : sum;
}

}  // namespace catvton::sampling
