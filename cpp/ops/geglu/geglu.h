// GEGLU (arXiv 2002.05202): a * gelu(b), with [a, b] the two halves of a projection, in one pass over it.
#pragma once

#include "torch_stable/call.h"

namespace catvton::ops {

// projection: [..., 2 C] -> [..., C]. The gelu is the exact one, with erf.
Tensor geglu(const Tensor& projection);

}  // namespace catvton::ops
