// Weights kept in eight bits, written out in the dtype of the work: e4m3 values times a factor for each output channel.
#pragma once

#include "torch_stable/call.h"

namespace catvton::ops {

// values: float8_e4m3fn [out, ...]; scale: float32 [out, 1, ...] -> values * scale in float32, float16 or bfloat16.
// ATen rounds values and scale to that dtype first, then their product; a kernel of ours rounds the product alone.
Tensor expand_float8(const Tensor& values, const Tensor& scale, ScalarType dtype);

}  // namespace catvton::ops
