// A skipped cross-attention and the norm behind it, in one pass: h <- h + norm2(h), norm3(h). On a GPU the residual
// before it joins that pass.
#pragma once

#include <utility>

#include "torch_stable/call.h"

namespace catvton::ops {

struct Affine {
  const Tensor &weight, &bias;  // [C]
};

// h: [..., C], `residual` of that shape added to it first -> sum = h + layer_norm(h, first), and layer_norm(sum, second)
std::pair<Tensor, Tensor> add_and_norm(const Tensor& h, const OptionalTensor& residual, const Affine& first,
                                       const Affine& second, double eps);

// Whether a kernel of ours adds the residual, too, for tensors of the dtype and on the device of `like`: then it is best
// left to it.
bool adds_residual_and_norms(const Tensor& like);

}  // namespace catvton::ops
