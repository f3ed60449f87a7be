#include "nn/resample.h"

#include "nn/tap.h"
#include "torch_stable/ops.h"

namespace catvton::nn {

Downsample2D::Downsample2D(const weights::Scope& w, int64_t channels, Padding padding)
    : conv(w / "conv", channels, channels, 3, 2, padding == Padding::both_sides ? 1 : 0),
      padding(padding),
      label(w.label()) {}

Tensor Downsample2D::operator()(const Tensor& x) const {
  Tensor h = conv(padding == Padding::right_and_bottom ? ops::pad_zeros(x, {0, 1, 0, 1}) : x);
  tap::record(label, h);
  return h;
}

Upsample2D::Upsample2D(const weights::Scope& w, int64_t channels)
    : conv(w / "conv", channels, channels, 3, 1, 1, /*upsampled=*/true), label(w.label()) {}

Tensor Upsample2D::operator()(const Tensor& x, int64_t height, int64_t width) const {
  const bool doubles = height == 2 * x.size(2) && width == 2 * x.size(3);
  Tensor h = doubles && conv.winograd ? ops::winograd::upsample_conv2d(x, *conv.winograd, conv.bias)
                                      : conv(ops::resize_nearest(x, height, width));  // [B, C, height, width]
  tap::record(label, h);
  return h;
}

}  // namespace catvton::nn
