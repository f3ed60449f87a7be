// GroupNorm with what surrounds it in a resnet block, in two passes over the map instead of four.
#pragma once

#include <optional>
#include <vector>

#include "torch_stable/call.h"

namespace catvton::ops {

struct GroupNormInput {
  const Tensor& x;                // [B, C, H, W]; without the other two any [B, C, ...]
  const OptionalTensor& shift;    // [B, C], added to x before the norm: a resnet block's time embedding
  OptionalTensor conv_bias = {};  // [C], added likewise: of the convolution that made x, where it was left out
};

// silu(group_norm(x + shift + conv_bias)), or without the silu. weight, bias: [C]. Statistics in float32 or better.
Tensor fused_group_norm(const GroupNormInput& input, int64_t groups, const Tensor& weight, const Tensor& bias,
                        double eps, bool silu);

// What each channel is multiplied with, and what is added.
struct ChannelFactors {
  std::vector<float> scale, offset;  // [B C]
};

// The same in two steps, for a map of which some rows are at hand at a time. By the CPU's kernels, in channels-last memory.
class ChannelSums {
 public:
  static bool suits(const Tensor& map);  // or any rows of it
  void add(const Tensor& rows);          // [B, C, any, W]
  ChannelFactors factors(int64_t groups, const Tensor& weight, const Tensor& bias, double eps,
                         const OptionalTensor& shift = {}) const;

 private:
  int64_t batch_ = 0, channels_ = 0, pixels_ = 0;
  Tensor origins_;                      // [B, 1, 1, C], the first pixels: sums are of differences from them
  std::vector<double> sums_, squares_;  // [B C]
};

// silu(x * scale + offset) for rows of such a map, in channels-last memory.
Tensor scale_shift_silu(const Tensor& rows, const ChannelFactors& factors);

// Whether a kernel of ours adds conv_bias at no cost for maps of the dtype and on the device of `like`: then it is best
// left to it, where torch would add it in a pass of its own.
bool group_norm_adds_bias(const Tensor& like);

}  // namespace catvton::ops
