// cpp/image on numpy arrays: uint8 [H, W] or [H, W, C]. A result has its input's number of dimensions.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "image/blend.h"
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
}

}  // namespace catvton::bindings
