// What is added to a convolution's result, in one pass over it: its bias and a residual. On a GPU torch adds each in a
// pass of its own.
#pragma once

#include "torch_stable/call.h"

namespace catvton::ops {

// y + bias + residual. y: [B, C, H, W]; bias: [C]; residual: as y
Tensor add_bias_and_residual(const Tensor& y, const Tensor& bias, const Tensor& residual);

// Whether a kernel of ours does that for maps of the dtype and on the device of `like`: then a convolution without its
// bias, and this, are a pass less than a convolution with it and an addition.
bool adds_bias_and_residual(const Tensor& like);

}  // namespace catvton::ops
