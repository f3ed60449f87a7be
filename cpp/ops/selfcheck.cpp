#include "ops/selfcheck.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <map>
#include <mutex>
#include <random>

#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::ops {
namespace {

const Device cpu(torch::headeronly::DeviceType::CPU);

Tensor random_doubles(const Ints& shape, std::mt19937& engine) {
  Tensor made = torch::stable::empty(shape, ScalarType::Double, std::nullopt, cpu);
  auto* values = made.mutable_data_ptr<double>();
  // The sum of three uniform numbers, scaled to variance 1: <random>'s distributions differ between libraries.
  for (int64_t i = 0; i < made.numel(); ++i) {
    double sum = 0;
    for (int draw = 0; draw < 3; ++draw) sum += engine() / 4294967296.0 - 0.5;
    values[i] = 2 * sum;
  }
  return made;
}

struct Distance {
  double error = 0, largest = 0;  // NaN counts as infinitely far
};

Distance distance(const Tensor& got, const Tensor& exact) {
  const Tensor a = contiguous(to(got, ScalarType::Double, cpu)), b = contiguous(exact);
  Distance found;
  for (int64_t i = 0; i < b.numel(); ++i) {
    const double apart = std::abs(a.const_data_ptr<double>()[i] - b.const_data_ptr<double>()[i]);
    found.error = std::isnan(apart) ? INFINITY : std::max(found.error, apart);
    found.largest = std::max(found.largest, std::abs(b.const_data_ptr<double>()[i]));
  }
  return found;
}

double rounding(ScalarType dtype) {  // the distance from 1 to the next number
  return dtype == ScalarType::BFloat16 ? 0x1p-7 : dtype == ScalarType::Half ? 0x1p-10 : 0x1p-23;
}

std::string run(const SelfCheck& check, const Tensor& like) try {
  std::mt19937 engine(0);
  std::vector<Tensor> there, exact;
  for (const Ints& shape : check.shapes) {
    there.push_back(to(random_doubles(shape, engine), like.scalar_type(), like.device()));
    exact.push_back(to(there.back(), ScalarType::Double, cpu));
  }
  const Tensor truth = check.reference(exact);
  const Tensor ours = check.ours(there);
  if (shape_of(ours) != shape_of(truth) || ours.scalar_type() != like.scalar_type()) {
    return "gives " + describe(ours) + ", expected " + to_text(shape_of(truth));
  }
  const Distance our = distance(ours, truth), their = distance(check.reference(there), truth);
  const double allowed = 2 * their.error + (rounding(like.scalar_type()) + check.approximation) * their.largest;
  if (our.error <= allowed) return "";
  char text[80];
  std::snprintf(text, sizeof text, "error %.2g, at most %.2g expected", our.error, allowed);
  return text;
} catch (const std::exception& error) {
  return error.what();
}

}  // namespace

std::string problem(const SelfCheck& check, const Tensor& like) {
  static std::mutex mutex;
  static std::map<std::string, std::string> found;
  const std::string key = std::string(check.name) + " by " + check.implementation + " in " +
                          to_text(like.scalar_type()) + " on " + to_text(like.device());
  const std::scoped_lock lock(mutex);
  const auto known = found.find(key);
  if (known != found.end()) return known->second;
  const std::string result = found[key] = run(check, like);
  if (!result.empty()) {
    std::fprintf(stderr, "catvton: %s computes wrongly here (%s); torch's own operator stands in for it\n", key.c_str(),
                 result.c_str());
  }
  return result;
}

std::string verdict(const SelfCheck& check, const Tensor& like, const char* reference) {
  const std::string found = problem(check, like);
  return found.empty() ? check.implementation
                       : std::string(reference) + " (" + check.implementation + ": " + found + ")";
}

}  // namespace catvton::ops
