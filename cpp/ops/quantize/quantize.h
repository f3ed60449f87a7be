// Activations in eight bits, for the products of torch_stable/onednn_int8.h.
#pragma once

#include "torch_stable/onednn_int8.h"

namespace catvton::ops {

// x: float32 or bfloat16 on the CPU, of any shape. The 256 values are spread evenly from x's smallest number to its largest,
// zero always among them, exactly; each x goes to the nearest. Where x has a NaN or an infinity, scale is NaN, and so
// becomes all that is computed with it.
onednn::int8::Activations quantize(const Tensor& x);

}  // namespace catvton::ops
