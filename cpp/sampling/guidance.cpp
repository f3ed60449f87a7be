#include "sampling/guidance.h"

#include "torch_stable/ops.h"

namespace catvton::sampling {

Tensor guide(const Tensor& both, double scale) {
  const auto halves = ops::chunk(both, 2, 0);
  return ops::add(halves[0], ops::mul(ops::sub(halves[1], halves[0]), scale));
}

}  // namespace catvton::sampling
