// Linear layers and convolutions of eight-bit integers on oneDNN: unsigned activations times signed weights, summed exactly
// in 32 bits (VNNI), scaled back as the result is written. Twice as fast as bfloat16, and an approximation: each number is
// off by up to half a 255th of its tensor's range, or of its output channel's. Inference on the CPU only.
#pragma once

#include "torch_stable/call.h"

namespace catvton::onednn::int8 {

// x = (values - zero_point) * scale, up to rounding.
struct Activations {
  Tensor values;  // uint8, contiguous or channels-last
  double scale;
  int64_t zero_point;  // 0 to 255
  ScalarType dtype;    // of x, and of what is computed with it
};

// weight = values * scales, up to rounding: no channel's largest value leaves [-127, 127].
struct Weight {
  Tensor packed;       // int8, in oneDNN's layout
  Tensor scales;       // [out] float32
  Tensor zero_points;  // [out] int32: zeros, which the operators ask for
  ScalarType dtype;    // of the weight as it came
  Ints shape;          // likewise
};

// Whether these functions compute rightly in this process, checked once with numbers at the ends of their range: false
// where torch lacks them, and where a processor without VNNI sums in 16 bits, which saturate.
bool works();

Weight pack_linear(const Tensor& weight);                                   // [out, in], or [out, in, 1, 1]
Weight pack_conv2d(const Tensor& weight, int64_t stride, int64_t padding);  // [out, in, kernel, kernel]
Tensor unpack(const Weight& weight);  // the rounded weight in its first shape and dtype

// x: [..., in] -> [..., out], plus `residual` of that shape.
Tensor linear(const Activations& x, const Weight& weight, const OptionalTensor& bias,
              const OptionalTensor& residual = {});

// x: [B, in, H, W] -> [B, out, H', W'] in channels-last memory; stride and padding as the weight was packed with.
Tensor conv2d(const Activations& x, const Weight& weight, const OptionalTensor& bias, int64_t stride, int64_t padding);

}  // namespace catvton::onednn::int8
