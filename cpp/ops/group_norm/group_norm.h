// GroupNorm with what surrounds it in a resnet block, in two passes over the map instead of four.
#pragma once

#include "torch_stable/call.h"

namespace catvton::ops {

struct GroupNormInput {
  const Tensor& x;              // [B, C, H, W]
  const OptionalTensor& shift;  // [B, C], added to x before the norm: a resnet block's time embedding
};

// silu(group_norm(x + shift)), or without the silu. weight, bias: [C]. Statistics in float32 or better.
Tensor fused_group_norm(const GroupNormInput& input, int64_t groups, const Tensor& weight, const Tensor& bias,
                        double eps, bool silu);

}  // namespace catvton::ops
