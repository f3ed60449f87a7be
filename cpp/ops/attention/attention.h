// Multi-head attention, softmax(q k^T / sqrt(D)) v: the operator in which half of CatVTON's time goes at 1024x768.
#pragma once

#include "torch_stable/call.h"

namespace catvton::ops {

// query, key, value: [B, heads, N, D] of one floating dtype -> [B, heads, N, D]. Softmax sums are kept in float32.
// Inside torch.no_grad() or inference_mode(), the CPU's own kernels (flash.h) compute float32 and bfloat16 for D in
// multiples of 8 up to 512; everything else is ATen's. NaN and infinite scores give NaN for their query, as in ATen.
// int8_scores: where attends_in_int8, q and k are rounded to eight bits for their product (int8_scores.h), an
// approximation; NaN and infinities of a key then give NaN for all queries of its head.
Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value, bool int8_scores = false);

// Whether there is such a kernel for the device and dtype of `like`.
bool attends_in_int8(const Tensor& like);

// Whether one of the engine's kernels will compute this, which hold the scores of one block alone.
bool attends_in_blocks(const Tensor& query, const Tensor& key, const Tensor& value);

}  // namespace catvton::ops
