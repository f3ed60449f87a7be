// aten::linear and aten::conv2d with plain weights, which know a processor without instructions for a half type.
//
// There, torch hands bfloat16 and float16 to oneDNN's reference kernels, eight to ten times slower than float32's. So
// operands are expanded to float32 for the call, and its result is rounded: as fast as float32, nearer to the truth,
// and weights still take half the memory. Where gradients are recorded it is ATen as ever.
#pragma once

#include "torch_stable/call.h"

namespace catvton::ops::products {

// x: [..., in], weight: [out, in], bias: [out] -> [..., out]
Tensor linear(const Tensor& x, const Tensor& weight, const OptionalTensor& bias);

// x: [B, in, H, W], weight: [out, in, kernel, kernel], bias: [out] -> [B, out, H', W']; padding: of height and width
Tensor conv2d(const Tensor& x, const Tensor& weight, const OptionalTensor& bias, int64_t stride, const Ints& padding);

}  // namespace catvton::ops::products
