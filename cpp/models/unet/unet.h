// diffusers' UNet2DConditionModel of the SD 1.5 family, cross-attention skipped: CatVTON's only network besides the
// VAE.
#pragma once

#include <utility>

#include "models/unet/blocks.h"
#include "models/unet/config.h"
#include "nn/timestep_embedding.h"

namespace catvton::models {

struct UNet {
  UNetConfig config;
  nn::Conv2d conv_in;
  nn::TimestepEmbedding time_embedding;
  std::vector<DownBlock2D> down_blocks;
  MidBlock2D mid_block;
  std::vector<UpBlock2D> up_blocks;
  nn::GroupNorm conv_norm_out;
  nn::Conv2d conv_out;

  UNet(const weights::Scope& w, const UNetConfig& config);

  // sample: [B, in_channels, H, W] in the weights' dtype and on their device; timesteps: float32 [B] there.
  // -> predicted noise [B, out_channels, H, W]
  Tensor operator()(const Tensor& sample, const Tensor& timesteps, const Shortcuts& shortcuts = {}) const;

  // What operator() does before and after the blocks. -> hidden state [B, C0, H, W], activated time embedding [B, 4 C0]
  std::pair<Tensor, Tensor> stage_in(const Tensor& sample, const Tensor& timesteps) const;
  Tensor stage_out(const Tensor& h) const;
};

}  // namespace catvton::models
