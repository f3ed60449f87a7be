// diffusers' Transformer2DModel over pixels: GroupNorm, 1x1 projection to tokens, transformer blocks, projection back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "nn/transformer_block.h"

namespace catvton::nn {

struct Transformer2DModel {
  GroupNorm norm;  // eps 1e-6, unlike the resnet blocks' 1e-5
  // The projections are 1x1 convolutions (SD 1.5), or linear layers over tokens (use_linear_projection).
  std::optional<Conv2d> conv_in, conv_out;
  std::optional<Linear> linear_in, linear_out;
  std::vector<TransformerBlock> transformer_blocks;
  std::string label;

  struct Options {
    int64_t heads, layers, groups;
    bool use_linear_projection;
  };
  Transformer2DModel(const weights::Scope& w, int64_t channels, const Options& options);
  Tensor operator()(const Tensor& x, const AttentionShortcuts& shortcuts = {}) const;  // [B, C, H, W]
};

}  // namespace catvton::nn
