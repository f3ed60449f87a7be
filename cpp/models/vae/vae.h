// diffusers' AutoencoderKL: pictures in [-1, 1] to latents of an eighth of their size, and back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/vae/config.h"
#include "nn/resample.h"
#include "nn/resnet_block.h"

namespace catvton::models {

// diffusers' Attention in the VAE's middle block: one head over all channels, GroupNorm before, residual after.
struct VAEAttention {
  nn::GroupNorm group_norm;
  nn::Linear to_q, to_k, to_v, to_out;
  std::string label;
  VAEAttention(const weights::Scope& w, int64_t channels, int64_t groups);
  Tensor operator()(const Tensor& x) const;  // [B, C, H, W]
};

struct VAEMidBlock {
  nn::ResnetBlock2D resnet_0;
  std::optional<VAEAttention> attention;
  nn::ResnetBlock2D resnet_1;
  std::string label;
  VAEMidBlock(const weights::Scope& w, int64_t channels, const VAEConfig& config);
  Tensor operator()(const Tensor& x) const;
};

// The parameters of the posterior N(mean, std^2) over latents.
struct Posterior {
  Tensor moments, mean, std;                 // [B, 2 latent_channels, h, w], [B, latent_channels, h, w] twice
  Tensor sample(const Tensor& noise) const;  // mean + std * noise
};

struct Encoder {
  struct Block {
    std::vector<nn::ResnetBlock2D> resnets;
    std::optional<nn::Downsample2D> downsampler;
    std::string label;
  };
  nn::Conv2d conv_in;
  std::vector<Block> down_blocks;
  VAEMidBlock mid_block;
  nn::GroupNorm conv_norm_out;
  nn::Conv2d conv_out;
  std::string label;
  Encoder(const weights::Scope& w, const VAEConfig& config);
  Tensor operator()(const Tensor& x) const;  // [B, 3, H, W] -> [B, 2 latent_channels, H / 8, W / 8]
};

struct Decoder {
  struct Block {
    std::vector<nn::ResnetBlock2D> resnets;
    std::optional<nn::Upsample2D> upsampler;
    std::string label;
  };
  nn::Conv2d conv_in;
  VAEMidBlock mid_block;
  std::vector<Block> up_blocks;
  nn::GroupNorm conv_norm_out;
  nn::Conv2d conv_out;
  std::string label;
  Decoder(const weights::Scope& w, const VAEConfig& config);
  Tensor operator()(const Tensor& z) const;  // [B, latent_channels, h, w] -> [B, 3, 8 h, 8 w]
};

struct VAE {
  VAEConfig config;
  Encoder encoder;
  Decoder decoder;
  std::optional<nn::Conv2d> quant_conv, post_quant_conv;

  VAE(const weights::Scope& w, const VAEConfig& config);

  // images: [B, 3, H, W] in [-1, 1], H and W multiples of config.downscale(), in the weights' dtype and device.
  Posterior encode(const Tensor& images) const;
  // latents, not scaled: [B, latent_channels, h, w] -> [B, 3, 8 h, 8 w], about [-1, 1]
  Tensor decode(const Tensor& latents) const;
};

}  // namespace catvton::models
