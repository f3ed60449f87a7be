// The shape of an AutoencoderKL of the Stable Diffusion family, under the names of diffusers' config.json.
#pragma once

#include <map>
#include <string>

#include "torch_stable/call.h"

namespace catvton::models {

struct VAEConfig {
  int64_t in_channels = 3, out_channels = 3, latent_channels = 4;
  Ints block_out_channels = {128, 256, 512, 512};
  int64_t layers_per_block = 2;  // resnets an encoder block; the decoder has one more
  int64_t norm_num_groups = 32;
  double scaling_factor = 0.18215;
  bool mid_block_add_attention = true;
  bool use_quant_conv = true, use_post_quant_conv = true;

  // Pixels along an edge of a latent pixel: 8 for four blocks.
  int64_t downscale() const { return int64_t{1} << (block_out_channels.size() - 1); }

  void check() const;

  // What the weights' shapes tell; groups (32) and the scaling factor are sd-vae-ft-mse's.
  static VAEConfig infer(const std::map<std::string, Ints>& shapes);
};

}  // namespace catvton::models
