#include "bindings.h"
#include "ops/quantize/quantize.h"
#include "tensor_caster.h"
#include "torch_stable/onednn_int8.h"

namespace py = pybind11;

namespace catvton::bindings {

void bind_int8(py::module_& m) {
  using namespace onednn;
  py::module_ module = m.def_submodule("int8", "Products of eight-bit integers, by themselves");
  module.def("works", &int8::works, "Whether this CPU and torch have them, and they compute rightly.");
  module.def(
      "quantize",
      [](const Tensor& x) {
        const int8::Activations found = ops::quantize(x);
        return std::make_tuple(found.values, found.scale, found.zero_point);
      },
      py::arg("x"), "uint8 values, scale and zero point: x = (values - zero_point) * scale, up to rounding.");
  module.def(
      "linear",
      [](const Tensor& x, const Tensor& weight, const OptionalTensor& bias, const OptionalTensor& residual) {
        return int8::linear(ops::quantize(x), int8::pack_linear(weight), bias, residual);
      },
      py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("residual") = py::none(),
      "linear(x, weight, bias) + residual, x and weight rounded to eight bits.");
  module.def(
      "conv2d",
      [](const Tensor& x, const Tensor& weight, const OptionalTensor& bias, int64_t stride, int64_t padding) {
        return int8::conv2d(ops::quantize(x), int8::pack_conv2d(weight, stride, padding), bias, stride, padding);
      },
      py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("stride"), py::arg("padding"),
      "conv2d, x and weight rounded to eight bits.");
}

}  // namespace catvton::bindings
