#include "image/resample.h"

#include <cmath>
#include <numbers>
#include <stdexcept>
#include <string>

#include "image/lanes.h"

namespace catvton::image {
namespace {

constexpr int kFractionBits = 32 - 8 - 2;  // 8 bits of pixel, 1 for sums above 1, 1 for the sign

// out[i] = sum over k < taps[i].count of weights[taps[i].offset + k] * in[taps[i].first + k]
struct Tap {
  int64_t first, count, offset;
};
struct Kernel {
  std::vector<Tap> taps;
  std::vector<int32_t> weights;
};

double sinc(double x) { return x == 0 ? 1 : std::sin(x * std::numbers::pi) / (x * std::numbers::pi); }
double lanczos3(double x) { return -3 <= x && x < 3 ? sinc(x) * sinc(x / 3) : 0; }

Kernel lanczos_kernel(int64_t in, int64_t out) {
  const double scale = static_cast<double>(in) / out, stretch = std::max(scale, 1.0), support = 3 * stretch;
  Kernel kernel;
  std::vector<double> weights;
  for (int64_t i = 0; i < out; ++i) {
    const double centre = (i + 0.5) * scale;
    const int64_t first = std::max<int64_t>(static_cast<int64_t>(centre - support + 0.5), 0);
    const int64_t last = std::min<int64_t>(static_cast<int64_t>(centre + support + 0.5), in);
    weights.clear();
    double sum = 0;
    for (int64_t x = first; x < last; ++x) {
      weights.push_back(lanczos3((x - centre + 0.5) * (1.0 / stretch)));
      sum += weights.back();
    }
    kernel.taps.push_back({first, last - first, static_cast<int64_t>(kernel.weights.size())});
    for (double w : weights) {
      const double scaled = (sum != 0 ? w / sum : w) * (1 << kFractionBits);
      kernel.weights.push_back(static_cast<int32_t>(scaled + (scaled < 0 ? -0.5 : 0.5)));
    }
  }
  return kernel;
}

// One output step: out[i] = clip(round(sum_k weights[k] * in[k * stride + i])). Sums fit 32 bits by kFractionBits.
// Four taps at a time, so that the sums travel to memory a quarter as often.
CATVTON_VECTOR_CLONES
void weighted_sum(const uint8_t* __restrict in, int64_t stride, const int32_t* __restrict weights, int64_t count,
                  int64_t lanes, int32_t* __restrict sums, uint8_t* __restrict out) {
  for (int64_t i = 0; i < lanes; ++i) sums[i] = 1 << (kFractionBits - 1);
  int64_t k = 0;
  for (; k + 4 <= count; k += 4) {
    const uint8_t *a = in + k * stride, *b = a + stride, *c = b + stride, *d = c + stride;
    const int32_t wa = weights[k], wb = weights[k + 1], wc = weights[k + 2], wd = weights[k + 3];
    for (int64_t i = 0; i < lanes; ++i) sums[i] += wa * a[i] + wb * b[i] + wc * c[i] + wd * d[i];
  }
  for (; k < count; ++k) {
    const uint8_t* a = in + k * stride;
    for (int64_t i = 0; i < lanes; ++i) sums[i] += weights[k] * a[i];
  }
  for (int64_t i = 0; i < lanes; ++i) {
    out[i] = static_cast<uint8_t>(std::clamp(sums[i] >> kFractionBits, 0, 255));
  }
}

void apply(const Kernel& kernel, const Lanes& in, uint8_t* out, int64_t out_stride) {
  alignas(64) int32_t sums[kColumnBytes];
  for (size_t i = 0; i < kernel.taps.size(); ++i) {
    const auto [first, count, offset] = kernel.taps[i];
    weighted_sum(in.data + first * in.stride, in.stride, kernel.weights.data() + offset, count, in.count, sums,
                 out + i * out_stride);
  }
}

// Pillow's RGBA -> RGBa and back, in its integer arithmetic.
void premultiply(Image& image) {
  auto times = [](int value, int alpha) {
    const int product = value * alpha + 128;
    return static_cast<uint8_t>(((product >> 8) + product) >> 8);
  };
  for (size_t i = 0; i < image.data.size(); i += 4) {
    for (int c = 0; c < 3; ++c) image.data[i + c] = times(image.data[i + c], image.data[i + 3]);
  }
}

void divide_by_alpha(Image& image) {
  for (size_t i = 0; i < image.data.size(); i += 4) {
    const int alpha = image.data[i + 3];
    if (alpha == 0 || alpha == 255) continue;
    for (int c = 0; c < 3; ++c)
      image.data[i + c] = static_cast<uint8_t>(std::min(255 * image.data[i + c] / alpha, 255));
  }
}

Image resample_planes(const View& in, int64_t height, int64_t width) {
  auto pass = [](const Kernel& kernel) {
    return [&](const Lanes& lanes, uint8_t* out, int64_t stride) { apply(kernel, lanes, out, stride); };
  };
  const Kernel across = lanczos_kernel(in.shape.width, width), down = lanczos_kernel(in.shape.height, height);
  if (in.shape.width == width) return along_height(in, height, pass(down));
  if (in.shape.height == height) return along_width(in, width, pass(across));
  return along_height(along_width(in, width, pass(across)), height, pass(down));
}

}  // namespace

Image resample_lanczos(const View& in, int64_t height, int64_t width) {
  if (in.shape.bytes() == 0 || height < 1 || width < 1) {
    throw std::invalid_argument("cannot resample " + std::to_string(in.shape.width) + "x" +
                                std::to_string(in.shape.height) + " to " + std::to_string(width) + "x" +
                                std::to_string(height) + ": every side must be at least 1 pixel");
  }
  if (height == in.shape.height && width == in.shape.width) return Image(in);  // keeps the colour of clear pixels
  if (in.shape.channels != 4) return resample_planes(in, height, width);
  Image colour(in);
  premultiply(colour);
  Image out = resample_planes(colour, height, width);
  divide_by_alpha(out);
  return out;
}

}  // namespace catvton::image
