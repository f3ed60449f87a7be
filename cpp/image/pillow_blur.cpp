#include "image/pillow_blur.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "image/lanes.h"

namespace catvton::image {
namespace {

constexpr int kPasses = 3;

// out[i] = (inner * sum_{|d| <= reach} in[i + d] + outer * (in[i - reach - 1] + in[i + reach + 1])) >> 24, rounded
struct Box {
  int64_t reach;
  uint32_t inner, outer;
};

Box box_of(float sigma) {
  const float variance = sigma * sigma / kPasses;
  const float length = static_cast<float>(std::sqrt(12.0 * variance + 1.0));
  const float whole = static_cast<float>(std::floor((length - 1.0) / 2.0));
  float part = (2 * whole + 1) * (whole * (whole + 1) - 3 * variance);
  part /= 6 * (variance - (whole + 1) * (whole + 1));
  const float radius = whole + part;
  const int64_t reach = static_cast<int64_t>(radius);
  const uint32_t inner = static_cast<uint32_t>((1 << 24) / (radius * 2 + 1));
  return {reach, inner, static_cast<uint32_t>(((1 << 24) - (2 * reach + 1) * inner) / 2)};
}

// The step of a running sum: writes one output, then moves the window by one.
CATVTON_VECTOR_CLONES
void slide(const uint8_t* __restrict before, const uint8_t* __restrict after, const uint8_t* __restrict leaving,
           uint32_t inner, uint32_t outer, int64_t lanes, uint32_t* __restrict sums, uint8_t* __restrict out) {
  for (int64_t i = 0; i < lanes; ++i) {
    const uint32_t edges = static_cast<uint32_t>(before[i]) + after[i];
    out[i] = static_cast<uint8_t>((sums[i] * inner + edges * outer + (1u << 23)) >> 24);
    sums[i] += static_cast<uint32_t>(after[i]) - leaving[i];
  }
}

// One box pass over `steps` steps. in and out must not overlap.
void blur_once(const Box& box, const Lanes& in, int64_t steps, uint8_t* out, int64_t out_stride) {
  alignas(64) uint32_t sums[kColumnBytes] = {};
  auto step = [&](int64_t i) { return in.data + std::clamp<int64_t>(i, 0, steps - 1) * in.stride; };
  for (int64_t d = -box.reach; d <= box.reach; ++d) {
    const uint8_t* row = step(d);
    for (int64_t i = 0; i < in.count; ++i) sums[i] += row[i];
  }
  for (int64_t s = 0; s < steps; ++s) {
    slide(step(s - box.reach - 1), step(s + box.reach + 1), step(s - box.reach), box.inner, box.outer, in.count, sums,
          out + s * out_stride);
  }
}

// Three passes; the middle ones travel through a buffer of this strip.
void blur(const Box& box, const Lanes& in, int64_t steps, uint8_t* out, int64_t out_stride) {
  std::vector<uint8_t> buffer(steps * in.count);
  const Lanes in_buffer{buffer.data(), in.count, in.count}, in_out{out, out_stride, in.count};
  blur_once(box, in, steps, out, out_stride);
  blur_once(box, in_out, steps, buffer.data(), in.count);
  blur_once(box, in_buffer, steps, out, out_stride);
}

}  // namespace

Image gaussian_blur_pillow(const View& in, float sigma) {
  if (!(sigma >= 0) || sigma > 10000) {
    throw std::invalid_argument("blur sigma must lie in 0..10000 pixels, got " + std::to_string(sigma));
  }
  if (sigma == 0 || in.shape.bytes() == 0) return Image(in);
  const Box box = box_of(sigma);
  const Image wide = along_width(in, in.shape.width, [&](const Lanes& lanes, uint8_t* out, int64_t stride) {
    blur(box, lanes, in.shape.width, out, stride);
  });
  return along_height(wide, in.shape.height, [&](const Lanes& lanes, uint8_t* out, int64_t stride) {
    blur(box, lanes, in.shape.height, out, stride);
  });
}

}  // namespace catvton::image
