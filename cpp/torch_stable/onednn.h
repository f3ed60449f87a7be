// Linear layers and convolutions on oneDNN with weights packed once, in the layout that its kernels want, and with a
// residual added as they write their result. Inference on the CPU only: autograd does not see these operators.
//
// ATen calls the same kernels, but with plain weights, which are repacked in every call (where maps are small that
// takes longer than the convolution), and for float32 linear layers it calls MKL.
#pragma once

#include "torch_stable/call.h"

namespace catvton::onednn {

// Whether the processor has no instructions for products in this half type, so that oneDNN takes reference kernels.
bool lacks_instructions(ScalarType dtype);

// Whether these functions compute rightly in this dtype in this process: asked of small problems once. False where torch
// has no oneDNN or the processor lacks what the dtype needs.
bool works(ScalarType dtype);

// True for what pack_linear and pack_conv2d return: shape, dtype and device can be asked of it, nothing else.
bool is_packed(const Tensor& weight);

Tensor pack_linear(const Tensor& weight);                                   // [out, in]
Tensor pack_conv2d(const Tensor& weight, int64_t stride, int64_t padding);  // [out, in, kernel, kernel]
Tensor unpack(const Tensor& packed);

// x: [..., in] -> [..., out], plus `residual` of that shape.
Tensor linear(const Tensor& x, const Tensor& packed, const OptionalTensor& bias, const OptionalTensor& residual = {});

// x: [B, in, H, W] -> [B, out, H', W'] in channels-last memory, plus `residual` of that shape.
Tensor conv2d(const Tensor& x, const Tensor& packed, const OptionalTensor& bias, int64_t stride, int64_t padding,
              const OptionalTensor& residual = {});

}  // namespace catvton::onednn
