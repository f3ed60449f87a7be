// The blocks of UNet2DConditionModel, with self-attention only: (CrossAttn)DownBlock2D, UNetMidBlock2D(CrossAttn),
// (CrossAttn)UpBlock2D. A block without attention simply holds no attentions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/unet/config.h"
#include "nn/resample.h"
#include "nn/resnet_block.h"
#include "nn/transformer.h"

namespace catvton::models {

// What is left out of a UNet's forward; nothing unless told so.
struct Shortcuts {
  nn::TokenDownsampling tokens;  // in the outermost level
  bool int8_scores = false;      // in every self-attention
  // DeepCache (arXiv 2312.00858): everything below the outermost level changes little from step to step. `deep` is what
  // comes up from there, [B, C, H, W]: a call that finds it empty fills it, and one that finds it filled computes the
  // outermost level alone, around it. Null: no such cache. The paper's branch is that of this level's downsampler.
  OptionalTensor* deep = nullptr;

  bool reuses() const { return deep != nullptr && deep->has_value(); }
  // In the level `level`: outermost 0, the middle block that of their number.
  nn::AttentionShortcuts attention_at(size_t level) const {
    return {level == 0 ? tokens : nn::TokenDownsampling{}, int8_scores};
  }
};

// Layer `layer` of a block, for the block itself and for those who never hold it whole (streamed_unet.h).
// `block` is the scope of down_blocks.<index> or up_blocks.<index>; `level` that of the config's lists.
nn::ResnetBlock2D down_resnet(const weights::Scope& block, const UNetConfig& config, size_t index, int64_t layer);
nn::ResnetBlock2D up_resnet(const weights::Scope& block, const UNetConfig& config, size_t index, int64_t layer);
nn::Transformer2DModel transformer(const weights::Scope& block, const UNetConfig& config, size_t level, int64_t layer);

// The level in the config's lists whose mirror up block `index` is.
inline size_t mirrored_level(const UNetConfig& config, size_t index) {
  return config.block_out_channels.size() - 1 - index;
}

struct DownBlock2D {
  std::vector<nn::ResnetBlock2D> resnets;
  std::vector<nn::Transformer2DModel> attentions;
  std::optional<nn::Downsample2D> downsampler;  // all but the innermost block
  std::string label;

  DownBlock2D(const weights::Scope& w, const UNetConfig& config, size_t index);
  // Appends every layer's output to `skips`, for the way up.
  Tensor operator()(Tensor h, const Tensor& activated_time, std::vector<Tensor>& skips,
                    const nn::AttentionShortcuts& attention = {}) const;
  // Without the downsampler, and what comes of it.
  Tensor layers(Tensor h, const Tensor& activated_time, std::vector<Tensor>& skips,
                const nn::AttentionShortcuts& attention) const;
};

struct MidBlock2D {
  std::vector<nn::ResnetBlock2D> resnets;  // two round the attention, or one without
  std::vector<nn::Transformer2DModel> attentions;
  std::string label;

  MidBlock2D(const weights::Scope& w, const UNetConfig& config);
  Tensor operator()(const Tensor& x, const Tensor& activated_time, const nn::AttentionShortcuts& attention = {}) const;
};

struct UpBlock2D {
  std::vector<nn::ResnetBlock2D> resnets;
  std::vector<nn::Transformer2DModel> attentions;
  std::optional<nn::Upsample2D> upsampler;  // all but the outermost block
  std::string label;

  UpBlock2D(const weights::Scope& w, const UNetConfig& config, size_t index);
  // Takes one of `skips`, last first, for every resnet.
  Tensor operator()(Tensor h, const Tensor& activated_time, std::vector<Tensor>& skips,
                    const nn::AttentionShortcuts& attention = {}) const;
};

}  // namespace catvton::models
