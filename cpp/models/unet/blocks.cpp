#include "models/unet/blocks.h"

#include "nn/tap.h"
#include "torch_stable/ops.h"

namespace catvton::models {
namespace {

// Attention of the block whose entry in the config's lists is `level`.
nn::Transformer2DModel::Options transformer(const UNetConfig& config, size_t level) {
  return {.heads = config.attention_heads[level],
          .layers = config.transformer_layers_per_block[level],
          .groups = config.norm_num_groups,
          .use_linear_projection = config.use_linear_projection};
}

}  // namespace

DownBlock2D::DownBlock2D(const weights::Scope& w, const UNetConfig& config, size_t index) : label(w.label()) {
  const Ints& channels = config.block_out_channels;
  const int64_t out = channels[index];
  for (int64_t i = 0; i < config.layers_per_block[index]; ++i) {
    const int64_t in = i > 0 ? out : channels[index > 0 ? index - 1 : 0];
    resnets.emplace_back(w / "resnets" / i, in, out, config.time_channels(), config.norm_num_groups, config.norm_eps);
    if (config.down_block_attention[index])
      attentions.emplace_back(w / "attentions" / i, out, transformer(config, index));
  }
  if (index + 1 < channels.size()) {
    downsampler.emplace(w / "downsamplers.0", out, nn::Downsample2D::Padding::both_sides);
  }
}

Tensor DownBlock2D::operator()(Tensor h, const Tensor& activated_time, std::vector<Tensor>& skips) const {
  for (size_t i = 0; i < resnets.size(); ++i) {
    h = resnets[i](h, activated_time);  // [B, out, H, W]
    if (!attentions.empty()) h = attentions[i](h);
    skips.push_back(h);
  }
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
    attentions.emplace_back(w / "attentions.0", channels, transformer(config, config.block_out_channels.size() - 1));
  }
}

Tensor MidBlock2D::operator()(const Tensor& x, const Tensor& activated_time) const {
  Tensor h = resnets[0](x, activated_time);
  if (!attentions.empty()) h = resnets[1](attentions[0](h), activated_time);
  tap::record(label, h);
  return h;
}

UpBlock2D::UpBlock2D(const weights::Scope& w, const UNetConfig& config, size_t index) : label(w.label()) {
  const Ints& channels = config.block_out_channels;
  const size_t level = channels.size() - 1 - index;  // the down block whose mirror this is
  const int64_t out = channels[level];
  const int64_t before = channels[index == 0 ? level : level + 1];
  const int64_t layers = config.layers_per_block[level] + 1;
  for (int64_t i = 0; i < layers; ++i) {
    const int64_t in = i == 0 ? before : out;
    const int64_t skip = i + 1 < layers ? out : channels[level > 0 ? level - 1 : 0];
    resnets.emplace_back(w / "resnets" / i, in + skip, out, config.time_channels(), config.norm_num_groups,
                         config.norm_eps);
    if (config.up_block_attention[index])
      attentions.emplace_back(w / "attentions" / i, out, transformer(config, level));
  }
  if (level > 0) upsampler.emplace(w / "upsamplers.0", out);
}

Tensor UpBlock2D::operator()(Tensor h, const Tensor& activated_time, std::vector<Tensor>& skips) const {
  for (size_t i = 0; i < resnets.size(); ++i) {
    h = resnets[i](ops::cat({h, skips.back()}, 1), activated_time);  // [B, in + skip, H, W] -> [B, out, H, W]
    skips.pop_back();
    if (!attentions.empty()) h = attentions[i](h);
  }
  if (upsampler) h = (*upsampler)(h, skips.back().size(2), skips.back().size(3));  // the next block's size
  tap::record(label, h);
  return h;
}

}  // namespace catvton::models
