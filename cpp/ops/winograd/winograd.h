// A convolution of 3x3 with fewer products: Winograd's F(2x2, 3x3), after Lavin and Gray (Fast Algorithms for
// Convolutional Neural Networks, arXiv 1509.09308). Four pixels of one channel take 16 products where the sum itself has
// 36; the rest is additions:
//
//   Y = A^T [(G g G^T) * (B^T d B)] A      g: 3x3 weights, d: 4x4 pixels, Y: 2x2 pixels, * element by element
//
// Products are summed over the input channels before A is applied: 16 products of matrices, one for each element of a tile.
// In real numbers that is the convolution. Where bfloat16 is multiplied, the transformed weights and pixels are rounded to
// it, while a direct sum rounds nothing but its result: the error of one convolution is about twice as large
// (docs/performance.md has it, and a whole UNet's). An infinity or NaN spreads to all pixels whose tiles read it.
//
// Where x is first enlarged to twice its size, nearest (Upsample2D), a tile's two middle pixels are one, and one of four
// sums in B^T d is nothing: nine products are left. The three in each direction may then be chosen so that nothing is halved,
// of x1, which makes two pixels, and x0 and x2 beside it:
//
//   y0 = w0 (x0 - x1) + (w0 + w1 + w2) x1        y1 = (w0 + w1 + w2) x1 + w2 (x2 - x1)
//
// Roundings are the same. But few layers enlarge: a VAE's decoder in bfloat16 whose other convolutions are direct stays nearer
// to float32 than diffusers'.
//
// Weights are kept untransformed, in the order that transforming wants, and transformed in every call: that takes a few
// percent of the products' time, and memory for one layer where keeping them would take 16/9 of all.
//
// For inference, in float32 and bfloat16, on CPUs with AVX2 or AVX-512. In bfloat16 AMX is faster directly.
#pragma once

#include <optional>

#include "torch_stable/call.h"

namespace catvton::ops::winograd {

struct Kernel;

struct Weight {
  Tensor kept;  // in the order of kernels.h
  Ints shape;   // [out, in, 3, 3]
  const Kernel* kernel;
};

// weight: [out, in, kernel, kernel], of a convolution with stride 1 and padding 1; nothing where no kernel here is for it.
std::optional<Weight> pack(const Tensor& weight);
Tensor unpack(const Weight& weight);  // the same bits

// x: [B, in, H, W] -> [B, out, H, W] in channels-last memory, plus `residual` of that shape.
Tensor conv2d(const Tensor& x, const Weight& weight, const Tensor& bias, const OptionalTensor& residual = {});

// The same of x enlarged to twice its size, nearest: [B, in, H, W] -> [B, out, 2 H, 2 W].
Tensor upsample_conv2d(const Tensor& x, const Weight& weight, const Tensor& bias);

}  // namespace catvton::ops::winograd
