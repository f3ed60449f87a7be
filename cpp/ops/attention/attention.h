// Multi-head attention, softmax(q k^T / sqrt(D)) v: the operator in which half of CatVTON's time goes at 1024x768.
#pragma once

#include "torch_stable/call.h"

namespace catvton::ops {

// query, key, value: [B, heads, N, D] of one floating dtype -> [B, heads, N, D]. Softmax sums are kept in float32.
Tensor attention(const Tensor& query, const Tensor& key, const Tensor& value);

}  // namespace catvton::ops
