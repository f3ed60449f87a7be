// The UNet without its weights: each part's are asked for when its turn comes and dropped after it, so a device holds a
// part or two instead of all. Batches that share the timestep and differ in the condition (the branches of guidance) go
// through a part one after the other: weights travel once for all of them.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "models/unet/blocks.h"
#include "models/unet/config.h"
#include "weights/state_dict.h"

namespace catvton::models {

struct StreamedUNet {
  UNetConfig config;
  ScalarType dtype;
  // The weights of a part, under their names in the UNet, on the device and in the dtype of the work. `following` is the
  // part that comes after it: after "out" the next call's first one.
  std::function<weights::Tensors(const std::string& part, const std::string& following)> fetch;

  // samples: [B, in_channels, H, W] each; timesteps: float32 [B], the same for all. -> [B, out_channels, H, W] each
  // shortcuts: none, or one for each sample; either all of them find their `deep` filled or none does.
  std::vector<Tensor> operator()(const std::vector<Tensor>& samples, const Tensor& timesteps,
                                 const std::vector<Shortcuts>& shortcuts = {}) const;
};

// In the order of their use: "in", "down_blocks.0.0" (a resnet and the attention after it), ...,
// "down_blocks.0.downsamplers", ..., "mid_block", "up_blocks.0.0", ..., "up_blocks.0.upsamplers", ..., "out".
// reuses: those alone that a call with filled `deep` needs.
std::vector<std::string> streamed_parts(const UNetConfig& config, bool reuses = false);

// The part to which a weight of this name belongs.
std::string streamed_part(const std::string& weight);

}  // namespace catvton::models
