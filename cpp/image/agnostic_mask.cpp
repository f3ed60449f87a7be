#include "image/agnostic_mask.h"

#include <algorithm>
#include <stdexcept>

#include "image/morphology.h"

namespace catvton::image {
namespace {

int64_t odd(int64_t size) { return size + (size % 2 == 0); }

// rule(i) for every pixel, as 0 and 255.
template <class Rule>
Image mask_of(Shape shape, const Rule& rule) {
  Image out(shape);
  for (size_t i = 0; i < out.data.size(); ++i) out.data[i] = rule(i) ? 255 : 0;
  return out;
}

// Dilated at a quarter of the size, which closes the gaps between body parts. The reference enlarges the result by
// exactly four and so fails for sizes that four does not divide; a quarter rounded up covers these, and equals it where
// it works.
Image dilate_coarsely(const View& mask, int64_t size) {
  const auto [height, width, channels] = mask.shape;
  Image quarter({(height + 3) / 4, (width + 3) / 4, 1});
  for (int64_t y = 0; y < quarter.shape.height; ++y) {
    for (int64_t x = 0; x < quarter.shape.width; ++x) quarter.row(y)[x] = mask.row(4 * y)[4 * x];
  }
  const Image grown = dilate_square(quarter, size, 2);
  Image out(mask.shape);
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t x = 0; x < width; ++x) out.row(y)[x] = grown.row(y / 4)[x / 4];
  }
  return out;
}

void require_one_shape(const BodyParts& parts) {
  for (const View* plane :
       {&parts.hands_and_feet, &parts.limbs, &parts.face, &parts.kept, &parts.background, &parts.body}) {
    if (plane->shape != parts.clothes.shape || plane->shape.channels != 1) {
      throw std::invalid_argument("all parts of a body need one size and one channel");
    }
  }
}

}  // namespace

Image agnostic_mask(const BodyParts& parts) {
  require_one_shape(parts);
  const Shape shape = parts.clothes.shape;
  const int64_t side = std::max(shape.width, shape.height), dilation = odd(side / 250), blur = odd(side / 25);

  const Image extremities = dilate_square(parts.hands_and_feet, dilation);
  const Image strongly_kept =
      mask_of(shape, [&](size_t i) { return (extremities.data[i] && parts.limbs.data[i]) || parts.face.data[i]; });
  const Image kept = mask_of(shape, [&](size_t i) { return parts.kept.data[i] || strongly_kept.data[i]; });

  const Image body = dilate_coarsely(parts.body, dilation);
  const Image area =
      mask_of(shape, [&](size_t i) { return (!kept.data[i] && !parts.background.data[i]) || body.data[i]; });
  const Image hulls = convex_hulls(area);  // loose clothes reach beyond the body
  const Image hulls_but_kept = mask_of(shape, [&](size_t i) { return hulls.data[i] && !kept.data[i]; });

  const Image soft = gaussian_blur_opencv(hulls_but_kept, blur);
  const Image smooth =
      mask_of(shape, [&](size_t i) { return (soft.data[i] >= 25 || parts.clothes.data[i]) && !strongly_kept.data[i]; });
  return dilate_square(smooth, dilation);
}

}  // namespace catvton::image
