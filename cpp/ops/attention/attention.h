// Multi-head attention, softmax(q k^T / sqrt(D)) v: the operator in which half of CatVTON's time goes at 1024x768.
#pragma once

#include "torch_stable/call.h"

namespace catvton::ops {

// query, key, value: [B, heads, N, D] of one floating dtype -> [B, heads, N, D]. Softmax sums are kept in float32.
// Inside torch.no_grad() or inference_mode(), the CPU's own kernels (tiles.h) compute float32 and bfloat16 for D in
// multiples of 8 up to 512; everything else is ATen's. NaN and infinite scores give NaN for their query, as in ATen.
Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value);

}  // namespace catvton::ops
