// One step of the sampler: guidance and DDIM, from what the network says of both branches to the next latents. On a GPU
// one kernel, where torch launches eighteen.
#pragma once

#include "sampling/ddim.h"

namespace catvton::sampling {

struct Stepped {
  Tensor pred_x0, prev_sample;  // float32 [B, ...]
};

// estimate: the network's, in its dtype: [2B, ...], the unconditional half first, where `guidance` guides (guidance.h),
// else [B, ...]. sample: float32 [B, ...]; noise: alike, and may be left out where the step's sigma is 0.
Stepped guided_step(const DDIMStep& step, const Tensor& estimate, double guidance, const Tensor& sample,
                    const OptionalTensor& noise);

}  // namespace catvton::sampling
