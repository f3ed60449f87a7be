// Layers of the VAE in strips of rows, for feature maps too large to be held several times over: at 1024x768 the
// decoder has maps of 400 MB in float16, and a resnet block run whole holds three of them and more.
//
// This is not the tiling of pictures into overlapping tiles, whose seams show: it is exact. A convolution's strip reads
// one row above and below from the whole map before it; a GroupNorm's mean and variance are those of the whole map, put
// together from the strips' (Chan, Golub, LeVeque: Updating Formulae and a Pairwise Algorithm for Computing Sample
// Variances, 1979). What differs from running whole is the order of sums: rounding.
#pragma once

#include "nn/resample.h"
#include "nn/resnet_block.h"

namespace catvton::nn {

struct Strips {
  int64_t elements = 0;  // of a map's strip, at most (at least two rows all the same); 0: maps are never divided

  // Rows of one strip, an even number; where they are not fewer than the map's, the map is run whole.
  int64_t rows(int64_t batch, int64_t channels, int64_t height, int64_t width) const;
  bool divide(const Tensor& x) const;
};

Tensor in_strips(const ResnetBlock2D& block, const Tensor& x, const Strips& strips);
// Twice the size, as the VAE's: nearest, then the convolution.
Tensor in_strips(const Upsample2D& upsample, const Tensor& x, const Strips& strips);
// Whether an enlarged map is of very many strips, and ops/winograd makes it at a quarter of a direct convolution's cost.
bool is_best_not_held(const Upsample2D& upsample, const Tensor& x, const Strips& strips);
// Then block(upsample(x)): rows of the enlarged map are computed when they are read, three times in all.
Tensor in_strips(const Upsample2D& upsample, const ResnetBlock2D& block, const Tensor& x, const Strips& strips);
// The VAE's, padded with zeros on the right and at the bottom.
Tensor in_strips(const Downsample2D& downsample, const Tensor& x, const Strips& strips);
// conv(silu(norm(x))), the end of encoder and decoder.
Tensor in_strips(const GroupNorm& norm, const Conv2d& conv, const Tensor& x, const Strips& strips);

}  // namespace catvton::nn
