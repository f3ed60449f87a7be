// Pillow's GaussianBlur, equal to the byte: three extended box filters per axis (width first), each rounded to 8 bits.
//
// What Pillow calls radius is sigma. The box of fractional radius l + a has the Gaussian's variance after three passes:
// P. Gwosdek et al., "Theoretical Foundations of Gaussian Convolution by Extended Box Filtering", SSVM 2011.
// Pillow computes the radius in float32 and the weights with 24 fraction bits; so does this.
#pragma once

#include "image/image.h"

namespace catvton::image {

// Any channel count of 1, 2, 3 or 4; pixels beyond the edge repeat it. sigma >= 0; 0 returns the picture as it is.
Image gaussian_blur_pillow(const View& in, float sigma);

}  // namespace catvton::image
