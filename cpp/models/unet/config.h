// The shape of a UNet2DConditionModel of the SD 1.5 family, under the names of diffusers' config.json.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "torch_stable/call.h"

namespace catvton::models {

using Shapes = std::map<std::string, Ints>;  // weight name -> shape

struct UNetConfig {
  int64_t in_channels = 9;  // 9: masked (noisy, mask, condition), 8: mask-free (noisy, condition)
  int64_t out_channels = 4;
  Ints block_out_channels = {320, 640, 1280, 1280};
  // One flag a block, outermost first: CrossAttnDownBlock2D (true) or DownBlock2D; likewise on the way up.
  std::vector<bool> down_block_attention = {true, true, true, false};
  std::vector<bool> up_block_attention = {false, true, true, true};
  bool mid_block_attention = true;
  Ints layers_per_block = {2, 2, 2, 2};              // resnets a down block; the way up has one more
  Ints attention_heads = {8, 8, 8, 8};               // config.json calls the number of heads attention_head_dim
  Ints transformer_layers_per_block = {1, 1, 1, 1};  // outermost first; the middle block has the last entry's
  int64_t norm_num_groups = 32;
  double norm_eps = 1e-5;
  bool use_linear_projection = false;
  bool flip_sin_to_cos = true;
  double freq_shift = 0;

  int64_t time_channels() const { return 4 * block_out_channels.front(); }

  // Throws std::invalid_argument where lists differ in length or a number is out of range.
  void check() const;

  // What the weights' shapes tell; heads (8), groups (32) and the embedding's details are SD 1.5's. Throws
  // std::invalid_argument if `shapes` are not those of such a UNet.
  static UNetConfig infer(const Shapes& shapes);
};

// Prefixes of every self-attention ("down_blocks.0.attentions.0.transformer_blocks.0.attn1") in the order in which the
// reference lists them: down, up, and the middle block LAST.
std::vector<std::string> self_attentions(const UNetConfig& config);

}  // namespace catvton::models
