#include "image/blend.h"

#include <stdexcept>

#include "torch_stable/parallel.h"

namespace catvton::image {

Image blend(const View& original, const View& result, const View& mask, Rounding rounding) {
  const Shape shape = original.shape;
  if (result.shape != shape || mask.shape != Shape{shape.height, shape.width, 1}) {
    throw std::invalid_argument("blend needs two pictures of one shape and a one-channel mask of their size");
  }
  Image out(shape);
  torch_stable::parallel_for(0, shape.height, 64, [&](int64_t first, int64_t last) {
    for (int64_t pixel = first * shape.width; pixel < last * shape.width; ++pixel) {
      const int alpha = mask.data[pixel];
      const double weight = alpha / 255.0;
      for (int64_t i = pixel * shape.channels; i < (pixel + 1) * shape.channels; ++i) {
        const int a = original.data[i], b = result.data[i];
        out.data[i] = rounding == Rounding::kNearest ? static_cast<uint8_t>((a * (255 - alpha) + b * alpha + 127) / 255)
                                                     : static_cast<uint8_t>(a * (1 - weight) + b * weight);
      }
    }
  });
  return out;
}

}  // namespace catvton::image
