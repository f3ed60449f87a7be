// diffusers' Downsample2D and Upsample2D, with their convolutions.
#pragma once

#include <string>

#include "nn/layers.h"

namespace catvton::nn {

struct Downsample2D {
  enum class Padding { both_sides, right_and_bottom };  // the UNet's and the VAE's
  Conv2d conv;                                          // stride 2
  Padding padding;
  std::string label;
  Downsample2D(const weights::Scope& w, int64_t channels, Padding padding);
  Tensor operator()(const Tensor& x) const;  // [B, C, H, W] -> [B, C, ceil(H / 2), ceil(W / 2)] (VAE: floor)
};

struct Upsample2D {
  Conv2d conv;
  std::string label;
  Upsample2D(const weights::Scope& w, int64_t channels);
  // Nearest to [height, width], then the convolution. The size is given because latents need not halve evenly: the way
  // up must meet the sizes of the way down (13 -> 7 -> 4 and back to 7, 13).
  Tensor operator()(const Tensor& x, int64_t height, int64_t width) const;
};

}  // namespace catvton::nn
