// original * (1 - alpha) + result * alpha, alpha = mask / 255 per pixel.
#pragma once

#include "image/image.h"

namespace catvton::image {

// kNearest: rounded; exact at both ends, so alpha 0 keeps the original's byte and 255 takes the result's.
// kTruncate: double arithmetic cut to 8 bits, as the reference's repaint does (up to 1 darker).
enum class Rounding { kNearest, kTruncate };

// mask: one channel, of the pictures' size.
Image blend(const View& original, const View& result, const View& mask, Rounding rounding = Rounding::kNearest);

}  // namespace catvton::image
