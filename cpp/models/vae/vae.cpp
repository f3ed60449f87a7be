#include "models/vae/vae.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "nn/tap.h"
#include "ops/attention/attention.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::models {
namespace {

constexpr double norm_eps = 1e-6;  // every GroupNorm of the VAE

nn::ResnetBlock2D resnet(const weights::Scope& w, int64_t in, int64_t out, const VAEConfig& config) {
  return {w, in, out, /*time_channels=*/0, config.norm_num_groups, norm_eps};
}

const VAEConfig& checked(const VAEConfig& config) {
  config.check();
  return config;
}

void check_input(const char* what, const Tensor& x, const Tensor& bias) {
  if (x.scalar_type() == bias.scalar_type() && x.device() == bias.device()) return;
  throw std::invalid_argument(std::string(what) + " are " + describe(x) + ", the weights are " + describe(bias) +
                              "; convert one to the other's dtype and device");
}

}  // namespace

VAEAttention::VAEAttention(const weights::Scope& w, int64_t channels, int64_t groups)
    : group_norm(w / "group_norm", channels, groups, norm_eps),
      to_q(w / "to_q", channels, channels),
      to_k(w / "to_k", channels, channels),
      to_v(w / "to_v", channels, channels),
      to_out(w / "to_out.0", channels, channels),
      label(w.label()) {}

Tensor VAEAttention::operator()(const Tensor& x, const nn::Strips& strips) const {
  const int64_t batch = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
  Tensor h = group_norm(ops::reshape(x, {batch, channels, height * width}));
  h = ops::transpose(h, 1, 2);  // [B, HW, C]
  auto one_head = [&](const Tensor& t) { return ops::reshape(t, {batch, 1, height * width, channels}); };
  const Tensor query = one_head(to_q(h)), key = one_head(to_k(h)), value = one_head(to_v(h));
  const int64_t tokens = height * width, part = strips.rows(batch, 1, tokens, tokens);
  const int64_t at_once = ops::attends_in_blocks(query, key, value) ? tokens : part;  // queries
  std::vector<Tensor> parts;
  for (int64_t first = 0; first < tokens; first += at_once) {
    const int64_t count = std::min(at_once, tokens - first);
    parts.push_back(ops::attention(ops::narrow(query, 2, first, count), key, value));
  }
  h = parts.size() == 1 ? parts[0] : ops::cat(parts, 2);  // [B, 1, HW, C]
  h = to_out(ops::reshape(h, {batch, height * width, channels}));
  h = ops::add(ops::reshape(ops::transpose(h, 1, 2), {batch, channels, height, width}), x);  // [B, C, H, W]
  tap::record(label, h);
  return h;
}

VAEMidBlock::VAEMidBlock(const weights::Scope& w, int64_t channels, const VAEConfig& config)
    : resnet_0(resnet(w / "resnets.0", channels, channels, config)),
      resnet_1(resnet(w / "resnets.1", channels, channels, config)),
      label(w.label()) {
  if (config.mid_block_add_attention) attention.emplace(w / "attentions.0", channels, config.norm_num_groups);
}

Tensor VAEMidBlock::operator()(const Tensor& x, const nn::Strips& strips) const {
  Tensor h = resnet_0(x);
  if (attention) h = (*attention)(h, strips);
  h = resnet_1(h);
  tap::record(label, h);
  return h;
}

Tensor Posterior::sample(const Tensor& noise) const { return ops::add(mean, ops::mul(std, noise)); }

Encoder::Encoder(const weights::Scope& w, const VAEConfig& config)
    : conv_in(w / "conv_in", config.in_channels, config.block_out_channels.front(), 3, 1, 1),
      mid_block(w / "mid_block", config.block_out_channels.back(), config),
      conv_norm_out(w / "conv_norm_out", config.block_out_channels.back(), config.norm_num_groups, norm_eps),
      conv_out(w / "conv_out", config.block_out_channels.back(), 2 * config.latent_channels, 3, 1, 1),
      label(w.label()) {
  int64_t in = config.block_out_channels.front();
  for (size_t i = 0; i < config.block_out_channels.size(); ++i) {
    const weights::Scope scope = w / "down_blocks" / i;
    const int64_t out = config.block_out_channels[i];
    Block block{.resnets = {}, .downsampler = {}, .label = scope.label()};
    for (int64_t layer = 0; layer < config.layers_per_block; ++layer) {
      block.resnets.push_back(resnet(scope / "resnets" / layer, layer == 0 ? in : out, out, config));
    }
    if (i + 1 < config.block_out_channels.size()) {
      block.downsampler.emplace(scope / "downsamplers.0", out, nn::Downsample2D::Padding::right_and_bottom);
    }
    down_blocks.push_back(std::move(block));
    in = out;
  }
}

Tensor Encoder::operator()(const Tensor& x, const nn::Strips& strips) const {
  Tensor h = conv_in(x);  // [B, C0, H, W]
  for (const Block& block : down_blocks) {
    for (const nn::ResnetBlock2D& resnet : block.resnets) h = in_strips(resnet, h, strips);
    if (block.downsampler) h = in_strips(*block.downsampler, h, strips);  // [B, Ci, H / 2, W / 2]
    tap::record(block.label, h);
  }
  h = mid_block(h, strips);
  if (tap::on()) tap::record(label, "conv_norm_out", conv_norm_out(h));
  h = conv_out(conv_norm_out.silu(h));  // [B, 2 latent_channels, H / 8, W / 8]
  tap::record(label, "conv_out", h);
  return h;
}

Decoder::Decoder(const weights::Scope& w, const VAEConfig& config)
    : conv_in(w / "conv_in", config.latent_channels, config.block_out_channels.back(), 3, 1, 1),
      mid_block(w / "mid_block", config.block_out_channels.back(), config),
      conv_norm_out(w / "conv_norm_out", config.block_out_channels.front(), config.norm_num_groups, norm_eps),
      conv_out(w / "conv_out", config.block_out_channels.front(), config.out_channels, 3, 1, 1),
      label(w.label()) {
  const size_t blocks = config.block_out_channels.size();
  int64_t in = config.block_out_channels.back();
  for (size_t i = 0; i < blocks; ++i) {
    const weights::Scope scope = w / "up_blocks" / i;
    const int64_t out = config.block_out_channels[blocks - 1 - i];
    Block block{.resnets = {}, .upsampler = {}, .label = scope.label()};
    for (int64_t layer = 0; layer < config.layers_per_block + 1; ++layer) {
      block.resnets.push_back(resnet(scope / "resnets" / layer, layer == 0 ? in : out, out, config));
    }
    if (i + 1 < blocks) block.upsampler.emplace(scope / "upsamplers.0", out);
    up_blocks.push_back(std::move(block));
    in = out;
  }
}

Tensor Decoder::operator()(const Tensor& z, const nn::Strips& strips) const {
  Tensor h = conv_in(z);  // [B, C3, h, w]
  tap::record(label, "conv_in", h);
  h = mid_block(h, strips);
  const nn::Upsample2D* pending = nullptr;  // what h still has to go through
  for (const Block& block : up_blocks) {
    for (const nn::ResnetBlock2D& resnet : block.resnets) {
      h = pending ? in_strips(*std::exchange(pending, nullptr), resnet, h, strips) : in_strips(resnet, h, strips);
    }
    if (block.upsampler && is_best_not_held(*block.upsampler, h, strips)) {
      pending = &*block.upsampler;
    } else if (block.upsampler) {
      h = in_strips(*block.upsampler, h, strips);  // [B, Ci, 2 h, 2 w]
    }
    tap::record(block.label, h);
  }
  return in_strips(conv_norm_out, conv_out, h, strips);  // [B, 3, 8 h, 8 w]
}

VAE::VAE(const weights::Scope& w, const VAEConfig& unchecked)
    : config(checked(unchecked)),
      encoder(w.keeping_bits() / "encoder", config),
      decoder(w.keeping_bits() / "decoder", config) {
  const int64_t latent = config.latent_channels;
  if (config.use_quant_conv) quant_conv.emplace(w / "quant_conv", 2 * latent, 2 * latent, 1);
  if (config.use_post_quant_conv) post_quant_conv.emplace(w / "post_quant_conv", latent, latent, 1);
}

Posterior VAE::encode(const Tensor& images, const nn::Strips& strips) const {
  check_shape("VAE images", images, {-1, config.in_channels, -1, -1});
  check_input("VAE images", images, encoder.conv_in.bias);
  if (images.size(2) % config.downscale() != 0 || images.size(3) % config.downscale() != 0) {
    throw std::invalid_argument("VAE images: height and width must be multiples of " +
                                std::to_string(config.downscale()) + ", got " + to_text(shape_of(images)));
  }
  Tensor moments = encoder(images, tap::on() ? nn::Strips{} : strips);  // [B, 2 latent_channels, h, w]
  if (quant_conv) moments = (*quant_conv)(moments);
  auto halves = ops::chunk(moments, 2, 1);
  Tensor std = ops::exp(ops::mul(ops::clamp(halves[1], -30.0, 20.0), 0.5));
  return {.moments = moments, .mean = halves[0], .std = std};
}

Tensor VAE::decode(const Tensor& latents, const nn::Strips& strips) const {
  check_shape("VAE latents", latents, {-1, config.latent_channels, -1, -1});
  check_input("VAE latents", latents, decoder.conv_in.bias);
  return decoder(post_quant_conv ? (*post_quant_conv)(latents) : latents, tap::on() ? nn::Strips{} : strips);
}

}  // namespace catvton::models
