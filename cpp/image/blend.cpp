#include "image/blend.h"

#include <stdexcept>

#include "torch_stable/parallel.h"

namespace catvton::image {
namespace {

// mix(original, result, alpha) for every byte, alpha being its pixel's.
template <class Mix>
Image mixed(const View& original, const View& result, const View& mask, const Mix& mix) {
  Image out(original.shape);
  const auto [height, width, channels] = original.shape;
  torch_stable::parallel_for(0, height, 64, [&, width = width, channels = channels](int64_t first, int64_t last) {
    for (int64_t pixel = first * width, i = pixel * channels; pixel < last * width; ++pixel) {
      for (int64_t c = 0; c < channels; ++c, ++i) {
        out.data[i] = static_cast<uint8_t>(mix(original.data[i], result.data[i], mask.data[pixel]));
      }
    }
  });
  return out;
}

}  // namespace

Image blend(const View& original, const View& result, const View& mask, Rounding rounding) {
  const Shape shape = original.shape;
  if (result.shape != shape || mask.shape != Shape{shape.height, shape.width, 1}) {
    throw std::invalid_argument("blend needs two pictures of one shape and a one-channel mask of their size");
  }
  if (rounding == Rounding::kTruncate) {
    return mixed(original, result, mask, [](int a, int b, int alpha) {
      const double weight = alpha / 255.0;
      return a * (1 - weight) + b * weight;
    });
  }
  return mixed(original, result, mask,
               [](int a, int b, int alpha) { return (a * (255 - alpha) + b * alpha + 127) / 255; });
}

}  // namespace catvton::image
