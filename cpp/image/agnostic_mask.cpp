#include "image/agnostic_mask.h"

#include <algorithm>
#include <stdexcept>

#include "image/morphology.h"
#include "torch_stable/parallel.h"

namespace catvton::image {
namespace {

int64_t odd(int64_t size) { return size + (size % 2 == 0); }

// rule(i) for every pixel, as 0 and 255. Rules hold plain pointers by value and use no && and ||: bytes may alias
// anything, and the loop is only turned into SIMD where the compiler sees that nothing it reads can change.
template <class Rule>
Image mask_of(Shape shape, const Rule& shared_rule) {
  Image out(shape);
  torch_stable::parallel_for(0, shape.bytes(), 1 << 16, [&](int64_t first, int64_t last) {
    const Rule rule = shared_rule;
    uint8_t* const to = out.row(0);
    for (int64_t i = first; i < last; ++i) to[i] = rule(i) ? 255 : 0;
  });
  return out;
}

// Dilated at a quarter of the size, which closes the gaps between body parts. The reference enlarges the result by
// exactly four and so fails for sizes that four does not divide; a quarter rounded up covers these, and equals it where
// it works.
Image dilate_coarsely(const View& parts, Part part, int64_t size) {
  const auto [height, width, channels] = parts.shape;
  Image quarter({(height + 3) / 4, (width + 3) / 4, 1});
  for (int64_t y = 0; y < quarter.shape.height; ++y) {
    for (int64_t x = 0; x < quarter.shape.width; ++x) quarter.row(y)[x] = parts.row(4 * y)[4 * x] & part;
  }
  const Image grown = dilate_square(quarter, size, 2);
  Image out(parts.shape);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) out.row(y)[x] = grown.row(y / 4)[x / 4];
  }
  return out;
}

}  // namespace

Image agnostic_mask(const View& parts) {
  const Shape shape = parts.shape;
  if (shape.channels != 1) throw std::invalid_argument("parts have one channel");
  const int64_t side = std::max(shape.width, shape.height), dilation = odd(side / 250), blur = odd(side / 25);
  const uint8_t* const part = parts.data;

  const Image extremities = dilate_square(mask_of(shape, [=](size_t i) { return part[i] & kExtremity; }), dilation);
  const Image strongly_kept = mask_of(
      shape, [=, near = extremities.row(0)](size_t i) { return (near[i] & part[i] & kLimb) | (part[i] & kFace); });
  const Image kept =
      mask_of(shape, [=, strongly = strongly_kept.row(0)](size_t i) { return (part[i] & kKept) | strongly[i]; });

  const Image body = dilate_coarsely(parts, kBody, dilation);
  const Image area = mask_of(shape, [=, keep = kept.row(0), bare = body.row(0)](size_t i) {
    return (~keep[i] & part[i] & kPerson) | bare[i];
  });
  const Image hulls = convex_hulls(area);  // loose clothes reach beyond the body
  const Image hulls_but_kept =
      mask_of(shape, [keep = kept.row(0), hull = hulls.row(0)](size_t i) { return hull[i] & ~keep[i]; });

  const Image soft = gaussian_blur_opencv(hulls_but_kept, blur);
  const Image smooth = mask_of(shape, [=, strongly = strongly_kept.row(0), level = soft.row(0)](size_t i) {
    return ((level[i] >= 25) | ((part[i] & kClothes) != 0)) & (strongly[i] == 0);
  });
  return dilate_square(smooth, dilation);
}

}  // namespace catvton::image
