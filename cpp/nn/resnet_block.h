// diffusers' ResnetBlock2D, time_embedding_norm "default":
//
//   h = conv1(silu(norm1(x)));  h += time_emb_proj(silu(temb));  h = conv2(silu(norm2(h)));  conv_shortcut(x) + h
//
// The VAE's blocks have no time embedding.
#pragma once

#include <optional>
#include <string>

#include "nn/layers.h"

namespace catvton::nn {

struct ResnetBlock2D {
  GroupNorm norm1;
  Conv2d conv1;
  std::optional<Linear> time_emb_proj;
  GroupNorm norm2;
  Conv2d conv2;
  std::optional<Conv2d> conv_shortcut;  // 1x1, where the number of channels changes
  std::string label;

  // time_channels 0: no time embedding.
  ResnetBlock2D(const weights::Scope& w, int64_t in, int64_t out, int64_t time_channels, int64_t groups, double eps);
  // x: [B, in, H, W]; activated_time: silu(temb), [B, time_channels] -> [B, out, H, W]
  Tensor operator()(const Tensor& x, const OptionalTensor& activated_time = {}) const;
};

}  // namespace catvton::nn
