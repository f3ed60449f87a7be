#include "models/unet/unet.h"

#include <stdexcept>

#include "nn/tap.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::models {
namespace {

const UNetConfig& checked(const UNetConfig& config) {
  config.check();
  return config;
}

}  // namespace

UNet::UNet(const weights::Scope& w, const UNetConfig& unchecked)
    : config(checked(unchecked)),
      conv_in(w.keeping_bits() / "conv_in", config.in_channels, config.block_out_channels.front(), 3, 1, 1),
      time_embedding(w.keeping_bits() / "time_embedding", config.block_out_channels.front(), config.time_channels(),
                     config.flip_sin_to_cos, config.freq_shift),
      mid_block(w / "mid_block", config),
      conv_norm_out(w / "conv_norm_out", config.block_out_channels.front(), config.norm_num_groups, config.norm_eps),
      conv_out(w.keeping_bits() / "conv_out", config.block_out_channels.front(), config.out_channels, 3, 1, 1) {
  for (size_t i = 0; i < config.block_out_channels.size(); ++i) {
    down_blocks.emplace_back(w / "down_blocks" / i, config, i);
    up_blocks.emplace_back(w / "up_blocks" / i, config, i);
  }
}

std::pair<Tensor, Tensor> UNet::stage_in(const Tensor& sample, const Tensor& timesteps) const {
  check_shape("UNet sample", sample, {-1, config.in_channels, -1, -1});
  check_shape("UNet timesteps", timesteps, {sample.size(0)});
  if (sample.scalar_type() != conv_in.bias.scalar_type() || sample.device() != conv_in.bias.device()) {
    throw std::invalid_argument("UNet sample is " + describe(sample) + ", the weights are " + describe(conv_in.bias) +
                                "; convert one to the other's dtype and device");
  }
  Tensor activated_time = ops::silu(time_embedding(timesteps));  // [B, 4 C0], shared by all resnets
  return {conv_in(sample), activated_time};                      // [B, C0, H, W]
}

Tensor UNet::stage_out(const Tensor& h) const {
  Tensor noise = conv_out(conv_norm_out.silu(h));  // [B, out_channels, H, W]
  tap::record("layer.unet.conv_out", noise);
  return noise;
}

Tensor UNet::operator()(const Tensor& sample, const Tensor& timesteps, const Shortcuts& shortcuts) const {
  auto [h, activated_time] = stage_in(sample, timesteps);
  std::vector<Tensor> skips{h};
  if (shortcuts.reuses()) {
    down_blocks.front().layers(h, activated_time, skips, shortcuts.attention_at(0));
    h = **shortcuts.deep;
  } else {
    for (size_t i = 0; i < down_blocks.size(); ++i) {
      h = down_blocks[i](h, activated_time, skips, shortcuts.attention_at(i));
    }
    h = mid_block(h, activated_time, shortcuts.attention_at(down_blocks.size()));
    for (size_t i = 0; i + 1 < up_blocks.size(); ++i) {
      h = up_blocks[i](h, activated_time, skips, shortcuts.attention_at(mirrored_level(config, i)));
    }
    if (shortcuts.deep != nullptr) *shortcuts.deep = h;
  }
  h = up_blocks.back()(h, activated_time, skips, shortcuts.attention_at(0));  // [B, C0, H, W]
  return stage_out(h);
}

}  // namespace catvton::models
