// The two passes over one picture's pixels [pixels, channels], in float32 or bfloat16 memory. Torch-free.
#pragma once

#include <cstdint>

namespace catvton::ops::kernels {

struct GroupNorm {
  // sums, squares [channels]: of d = x - origin and of d^2 over the pixels, origin being a pixel (so that a mean far from
  // 0 does not cost digits).
  void (*channel_sums)(const void* x, bool is_bfloat16, int64_t pixels, int64_t channels, const void* origin,
                       float* sums, float* squares);

  // y = x * scale + offset, per channel, through silu if asked for.
  void (*scale_and_shift)(const void* x, void* y, bool is_bfloat16, int64_t pixels, int64_t channels,
                          const float* scale, const float* offset, bool silu);
};

extern const GroupNorm group_norm_avx2, group_norm_avx512;

}  // namespace catvton::ops::kernels
