// LANCZOS resampling, equal to Pillow's to the byte.
//
// The weights were trained on pictures that Pillow resized, and no other library's "Lanczos" gives its bytes: OpenCV's
// INTER_LANCZOS4 does not widen its kernel when it shrinks, and differs by up to 179 of 255. The algorithm is that of
// Pillow's Resample.c: windowed sinc of support 3 * max(scale, 1), coefficients normalised in double and rounded to 22
// fraction bits, one pass per axis, each rounded to 8 bits and clipped.
#pragma once

#include "image/image.h"

namespace catvton::image {

// Width first, always: each pass rounds, so the order shows in the bytes. Pillow 10.3, which the published weights pin,
// does the same; newer versions choose the order by the sizes.
//
// 1, 3 or 4 channels to height x width. Four channels are RGBA: colour is weighted by alpha, as Pillow does it.
Image resample_lanczos(const View& in, int64_t height, int64_t width);

}  // namespace catvton::image
