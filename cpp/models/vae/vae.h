// diffusers' AutoencoderKL: pictures in [-1, 1] to latents of an eighth of their size, and back.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/vae/config.h"
#include "nn/resample.h"
#include "nn/resnet_block.h"
#include "nn/strips.h"

namespace catvton::models {

// diffusers' Attention in the VAE's middle block: one head over all channels, GroupNorm before, residual after.
struct VAEAttention {
  nn::GroupNorm group_norm;
  nn::Linear to_q, to_k, to_v, to_out;
  std::string label;
  VAEAttention(const weights::Scope& w, int64_t channels, int64_t groups);
  // x: [B, C, H, W]. strips: at most so many scores at once, for devices on which attention is not fused.
  Tensor operator()(const Tensor& x, const nn::Strips& strips = {}) const;
};

struct VAEMidBlock {
  nn::ResnetBlock2D resnet_0;
  std::optional<VAEAttention> attention;
  nn::ResnetBlock2D resnet_1;
  std::string label;
  VAEMidBlock(const weights::Scope& w, int64_t channels, const VAEConfig& config);
  Tensor operator()(const Tensor& x, const nn::Strips& strips = {}) const;
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
  // [B, 3, H, W] -> [B, 2 latent_channels, H / 8, W / 8]
  Tensor operator()(const Tensor& x, const nn::Strips& strips = {}) const;
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
  // [B, latent_channels, h, w] -> [B, 3, 8 h, 8 w]
  Tensor operator()(const Tensor& z, const nn::Strips& strips = {}) const;
};

struct VAE {
  VAEConfig config;
  Encoder encoder;
  Decoder decoder;
  std::optional<nn::Conv2d> quant_conv, post_quant_conv;

  VAE(const weights::Scope& w, const VAEConfig& config);

  // With `strips`, large maps are computed in strips of rows (nn/strips.h): less memory, the same result to rounding.
  // Neither tapped nor differentiable; where a tap listens, maps are not divided.

  // images: [B, 3, H, W] in [-1, 1], H and W multiples of config.downscale(), in the weights' dtype and device.
  Posterior encode(const Tensor& images, const nn::Strips& strips = {}) const;
  // latents, not scaled: [B, latent_channels, h, w] -> [B, 3, 8 h, 8 w], about [-1, 1]
  Tensor decode(const Tensor& latents, const nn::Strips& strips = {}) const;
};

}  // namespace catvton::models
