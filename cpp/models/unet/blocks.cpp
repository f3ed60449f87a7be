#include "models/unet/blocks.h"

#include "nn/tap.h"
#include "torch_stable/free_memory.h"
#include "torch_stable/ops.h"

namespace catvton::models {
nn::ResnetBlock2D down_resnet(const weights::Scope& block, const UNetConfig& config, size_t index, int64_t layer) {
  const Ints& channels = config.block_out_channels;
  const int64_t out = channels[index];
  const int64_t in = layer > 0 ? out : channels[index > 0 ? index - 1 : 0];
  return {block / "resnets" / layer, in, out, config.time_channels(), config.norm_num_groups, config.norm_eps};
}

nn::ResnetBlock2D up_resnet(const weights::Scope& block, const UNetConfig& config, size_t index, int64_t layer) {
  const Ints& channels = config.block_out_channels;
  const size_t level = mirrored_level(config, index);
  const int64_t out = channels[level];
  const int64_t in = layer > 0 ? out : channels[index == 0 ? level : level + 1];
  const int64_t skip = layer < config.layers_per_block[level] ? out : channels[level > 0 ? level - 1 : 0];
  return {block / "resnets" / layer, in + skip, out, config.time_channels(), config.norm_num_groups, config.norm_eps};
}

nn::Transformer2DModel transformer(const weights::Scope& block, const UNetConfig& config, size_t level, int64_t layer) {
  const nn::Transformer2DModel::Options options{.heads = config.attention_heads[level],
                                                .layers = config.transformer_layers_per_block[level],
                                                .groups = config.norm_num_groups,
                                                .use_linear_projection = config.use_linear_projection};
  return {block / "attentions" / layer, config.block_out_channels[level], options};
}

DownBlock2D::DownBlock2D(const weights::Scope& w, const UNetConfig& config, size_t index) : label(w.label()) {
  for (int64_t i = 0; i < config.layers_per_block[index]; ++i) {
    resnets.push_back(down_resnet(w, config, index, i));
    if (config.down_block_attention[index]) attentions.push_back(transformer(w, config, index, i));
  }
  if (index + 1 < config.block_out_channels.size()) {
    downsampler.emplace(w / "downsamplers.0", config.block_out_channels[index], nn::Downsample2D::Padding::both_sides);
  }
}

Tensor DownBlock2D::layers(Tensor h, const Tensor& activated_time, std::vector<Tensor>& skips,
                           const nn::AttentionShortcuts& attention) const {
  torch_stable::give_back_free_memory_before(h);
  for (size_t i = 0; i < resnets.size(); ++i) {
    h = resnets[i](h, activated_time);  // [B, out, H, W]
    if (!attentions.empty()) h = attentions[i](h, attention);
    skips.push_back(h);
  }
  return h;
}

Tensor DownBlock2D::operator()(Tensor h, const Tensor& activated_time, std::vector<Tensor>& skips,
                               const nn::AttentionShortcuts& attention) const {
  h = layers(h, activated_time, skips, attention);
  if (downsampler) {
    h = (*downsampler)(h);  // [B, out, H / 2, W / 2]
    skips.push_back(h);
  }
  tap::record(label, h);
  return h;
}

MidBlock2D::MidBlock2D(const weights::Scope& w, const UNetConfig& config) : label(w.label()) {
  const int64_t channels = config.block_out_channels.back();
  for (int64_t i = 0; i < (config.mid_block_attention ? 2 : 1); ++i) {
    resnets.emplace_back(w / "resnets" / i, channels, channels, config.time_channels(), config.norm_num_groups,
                         config.norm_eps);
  }
  if (config.mid_block_attention) {
    attentions.push_back(transformer(w, config, config.block_out_channels.size() - 1, 0));
  }
}

Tensor MidBlock2D::operator()(const Tensor& x, const Tensor& activated_time,
                              const nn::AttentionShortcuts& attention) const {
  Tensor h = resnets[0](x, activated_time);
  if (!attentions.empty()) h = resnets[1](attentions[0](h, attention), activated_time);
  tap::record(label, h);
  return h;
}

UpBlock2D::UpBlock2D(const weights::Scope& w, const UNetConfig& config, size_t index) : label(w.label()) {
  const size_t level = mirrored_level(config, index);
  for (int64_t i = 0; i < config.layers_per_block[level] + 1; ++i) {
    resnets.push_back(up_resnet(w, config, index, i));
    if (config.up_block_attention[index]) attentions.push_back(transformer(w, config, level, i));
  }
  if (level > 0) upsampler.emplace(w / "upsamplers.0", config.block_out_channels[level]);
}

Tensor UpBlock2D::operator()(Tensor h, const Tensor& activated_time, std::vector<Tensor>& skips,
                             const nn::AttentionShortcuts& attention) const {
  torch_stable::give_back_free_memory_before(h);
  for (size_t i = 0; i < resnets.size(); ++i) {
    h = resnets[i](ops::cat({h, skips.back()}, 1), activated_time);  // [B, in + skip, H, W] -> [B, out, H, W]
    skips.pop_back();
    if (!attentions.empty()) h = attentions[i](h, attention);
  }
  if (upsampler) h = (*upsampler)(h, skips.back().size(2), skips.back().size(3));  // the next block's size
  tap::record(label, h);
  return h;
}

}  // namespace catvton::models
