// cpp/image on numpy arrays: uint8 [H, W] or [H, W, C]. A result has its input's number of dimensions.
#include <pybind11/numpy.h>

#include "bindings.h"
#include "image/agnostic_mask.h"
#include "image/blend.h"
#include "image/morphology.h"
#include "image/pillow_blur.h"
#include "image/resample.h"

namespace py = pybind11;

namespace catvton::bindings {
namespace {

using image::Image;
using image::View;
using Bytes = py::array_t<uint8_t, py::array::c_style>;

View view_of(const Bytes& array) {
  if (array.ndim() != 2 && array.ndim() != 3) {
    throw std::invalid_argument("expected uint8 [H, W] or [H, W, C], got " + std::to_string(array.ndim()) +
                                " dimensions");
  }
  const int64_t channels = array.ndim() == 3 ? array.shape(2) : 1;
  if (channels < 1 || channels > 4) {
    throw std::invalid_argument("expected 1 to 4 channels, got " + std::to_string(channels));
  }
  return {array.data(), {array.shape(0), array.shape(1), channels}};
}

Bytes to_numpy(Image result, py::ssize_t dimensions) {
  auto* owner = new std::vector<uint8_t>(std::move(result.data));
  py::capsule free(owner, [](void* bytes) { delete static_cast<std::vector<uint8_t>*>(bytes); });
  std::vector<py::ssize_t> shape{result.shape.height, result.shape.width};
  if (dimensions == 3) shape.push_back(result.shape.channels);
  return Bytes(shape, owner->data(), free);
}

// Runs `work` without the GIL and hands its picture back with `like`'s number of dimensions.
template <class Work>
Bytes without_gil(const Bytes& like, const Work& work) {
  auto compute = [&] {
    py::gil_scoped_release no_gil;
    return work();
  };
  return to_numpy(compute(), like.ndim());
}

}  // namespace

void bind_image(py::module_& m) {
  py::module_ image = m.def_submodule("image", "8-bit pictures as numpy arrays: resampling, blur, masks, blending");

  image.def(
      "resample_lanczos",
      [](const Bytes& picture, int64_t height, int64_t width) {
        const View view = view_of(picture);
        return without_gil(picture, [&] { return image::resample_lanczos(view, height, width); });
      },
      py::arg("picture"), py::arg("height"), py::arg("width"),
      "Pillow's LANCZOS to height x width, byte for byte; four channels are RGBA.");

  image.def(
      "gaussian_blur_pillow",
      [](const Bytes& picture, float sigma) {
        const View view = view_of(picture);
        return without_gil(picture, [&] { return image::gaussian_blur_pillow(view, sigma); });
      },
      py::arg("picture"), py::arg("sigma"), "Pillow's GaussianBlur(sigma), byte for byte.");

  image.def(
      "blend",
      [](const Bytes& original, const Bytes& result, const Bytes& mask, bool truncate) {
        const View a = view_of(original), b = view_of(result), alpha = view_of(mask);
        const auto rounding = truncate ? image::Rounding::kTruncate : image::Rounding::kNearest;
        return without_gil(original, [&] { return image::blend(a, b, alpha, rounding); });
      },
      py::arg("original"), py::arg("result"), py::arg("mask"), py::arg("truncate") = false,
      "original * (1 - mask / 255) + result * mask / 255; truncate=True cuts instead of rounding.");

  image.def(
      "dilate_square",
      [](const Bytes& mask, int64_t size, int64_t times) {
        const View view = view_of(mask);
        return without_gil(mask, [&] { return image::dilate_square(view, size, times); });
      },
      py::arg("mask"), py::arg("size"), py::arg("times") = 1, "The mask (0/255) grown by a square of odd size.");

  image.def(
      "grow_disc",
      [](const Bytes& mask, double radius) {
        const View view = view_of(mask);
        return without_gil(mask, [&] { return image::grow_disc(view, radius); });
      },
      py::arg("mask"), py::arg("radius"), "All pixels within `radius` of the mask; a negative radius shrinks it.");

  image.def(
      "convex_hulls",
      [](const Bytes& mask) {
        const View view = view_of(mask);
        return without_gil(mask, [&] { return image::convex_hulls(view); });
      },
      py::arg("mask"), "The filled convex hulls of the mask's outer contours.");

  image.def(
      "close_holes_drop_islands",
      [](const Bytes& mask, int64_t max_hole, int64_t min_island) {
        const View view = view_of(mask);
        return without_gil(mask, [&] { return image::close_holes_drop_islands(view, max_hole, min_island); });
      },
      py::arg("mask"), py::arg("max_hole"), py::arg("min_island"),
      "Holes up to max_hole pixels filled, islands under min_island pixels removed (the largest stays).");

  image.def(
      "gaussian_blur_opencv",
      [](const Bytes& picture, int64_t size) {
        const View view = view_of(picture);
        return without_gil(picture, [&] { return image::gaussian_blur_opencv(view, size); });
      },
      py::arg("picture"), py::arg("size"), "cv2.GaussianBlur(picture, (size, size), 0), one channel.");

  py::dict parts;
  parts["extremity"] = int{image::kExtremity};
  parts["limb"] = int{image::kLimb};
  parts["face"] = int{image::kFace};
  parts["kept"] = int{image::kKept};
  parts["person"] = int{image::kPerson};
  parts["body"] = int{image::kBody};
  parts["clothes"] = int{image::kClothes};
  image.attr("PARTS") = parts;

  image.def(
      "agnostic_mask",
      [](const Bytes& parts) {
        const View view = view_of(parts);
        return without_gil(parts, [&] { return image::agnostic_mask(view); });
      },
      py::arg("parts"), "The reference's agnostic mask (0/255) from PARTS' bits, uint8 [H, W].");
}

}  // namespace catvton::bindings
