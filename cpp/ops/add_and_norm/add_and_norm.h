// A skipped cross-attention and the norm behind it, in one pass: h <- h + norm2(h), norm3(h).
#pragma once

#include <utility>

#include "torch_stable/call.h"

namespace catvton::ops {

struct Affine {
  const Tensor &weight, &bias;  // [C]
};

// h: [..., C] -> sum = h + layer_norm(h, first), and layer_norm(sum, second)
std::pair<Tensor, Tensor> add_and_norm(const Tensor& h, const Affine& first, const Affine& second, double eps);

}  // namespace catvton::ops
