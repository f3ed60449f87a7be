// Classifier-free guidance (arXiv 2207.12598): eps = uncond + scale (cond - uncond).
#pragma once

#include "torch_stable/call.h"

namespace catvton::sampling {

// Guidance of 1 and below means none: one network call instead of two.
inline bool guided(double scale) { return scale > 1.0; }

// both: [2B, ...], unconditional half first -> [B, ...]
Tensor guide(const Tensor& both, double scale);

// estimate: [2B, ...] where `scale` guides, else [B, ...], which is returned as it is.
inline Tensor guide_where_guided(const Tensor& estimate, double scale) {
  return guided(scale) ? guide(estimate, scale) : estimate;
}

}  // namespace catvton::sampling
