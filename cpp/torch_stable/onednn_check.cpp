#include "torch_stable/onednn_check.h"

#include <algorithm>
#include <cmath>

#include "torch_stable/ops.h"

namespace catvton::onednn {

Tensor numbers(const Ints& shape, int64_t seed) {
  Tensor t = torch::stable::empty(shape, ScalarType::Float);
  float* values = t.mutable_data_ptr<float>();
  for (int64_t i = 0; i < t.numel(); ++i) values[i] = std::sin(static_cast<float>(i * 37 + seed));
  return t;
}

bool agree(const Tensor& got, const Tensor& want, double rounding) {
  const Tensor ours = ops::contiguous(ops::to(got, ScalarType::Float)), theirs = ops::to(want, ScalarType::Float);
  if (ours.numel() != theirs.numel()) return false;
  const float *a = ours.const_data_ptr<float>(), *b = theirs.const_data_ptr<float>();
  double difference = 0, largest = 0;
  for (int64_t i = 0; i < theirs.numel(); ++i) {
    if (!std::isfinite(a[i])) return false;
    difference = std::max(difference, std::abs(static_cast<double>(a[i]) - b[i]));
    largest = std::max(largest, std::abs(static_cast<double>(b[i])));
  }
  return difference <= 4 * rounding * largest;
}

}  // namespace catvton::onednn
