// Shapes of masks, by OpenCV: the reference builds its masks with cv2, and its borders and rounding show in the result.
// Masks are one-channel pictures; any value but 0 belongs to the shape. Results hold 0 and 255.
#pragma once

#include "image/image.h"

namespace catvton::image {

// The shape grown by a square of `size` x `size` pixels (odd), `times` times. Outside the picture there is nothing.
Image dilate_square(const View& mask, int64_t size, int64_t times = 1);

// The shape grown (radius > 0) or shrunk (radius < 0) by a disc: exactly the pixels within `radius` of it, by
// Euclidean distance. Shrinking treats the outside of the picture as shape, so a mask that leaves the picture stays
// at its edge.
Image grow_disc(const View& mask, double radius);

// The filled convex hulls of the shape's outer contours, together.
Image convex_hulls(const View& mask);

// Holes of at most `max_hole` pixels filled (those that touch the picture's edge are no holes), then islands of fewer
// than `min_island` pixels removed; the largest island always stays.
Image close_holes_drop_islands(const View& mask, int64_t max_hole, int64_t min_island);

// cv2.GaussianBlur(picture, (size, size), 0) of the values: sigma 0.3 ((size - 1) / 2 - 1) + 0.8 (tabulated weights up
// to size 7), edges mirrored.
Image gaussian_blur_opencv(const View& picture, int64_t size);

}  // namespace catvton::image
