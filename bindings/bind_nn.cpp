#include "bindings.h"
#include "nn/layers.h"
#include "nn/resample.h"
#include "tensor_caster.h"
#include "torch_stable/tensor.h"

namespace py = pybind11;

namespace catvton::bindings {
namespace {

using weights::Packing;

// A layer with a weight and a bias of its own, as a network would make it. `at`: where it looks for them.
template <class Layer, class... Sizes>
Layer made(const std::string& at, const Tensor& weight, const OptionalTensor& bias, Packing packing, Sizes... sizes) {
  weights::Tensors tensors{{at + "weight", weight}};
  if (bias) tensors[at + "bias"] = *bias;
  weights::StateDict state(std::move(tensors), packing);
  Layer layer(weights::Scope(state, "layer"), sizes...);
  state.check_all_used();
  return layer;
}

}  // namespace

void bind_nn(py::module_& m) {
  py::module_ module = m.def_submodule("nn", "Layers of the networks, by themselves");
  py::enum_<Packing>(module, "Packing", "What is done with a weight: nothing; as UNet's pack; as UNet.int8.")
      .value("none", Packing::none)
      .value("exact", Packing::exact)
      .value("int8", Packing::int8);
  const auto without_gil = py::call_guard<py::gil_scoped_release>();
  py::class_<nn::Linear>(module, "Linear")
      .def(py::init([](const Tensor& weight, const OptionalTensor& bias, Packing packing) {
             check_shape("weight of a linear layer", weight, {-1, -1});
             return made<nn::Linear>("", weight, bias, packing, weight.size(1), weight.size(0), bias.has_value());
           }),
           py::arg("weight"), py::arg("bias") = py::none(), py::arg("packing") = Packing::none)
      .def(
          "__call__",
          [](const nn::Linear& self, const Tensor& x, const OptionalTensor& residual) { return self(x, residual); },
          without_gil, py::arg("x"), py::arg("residual") = py::none(), "[..., in] -> [..., out]");
  py::class_<nn::Conv2d>(module, "Conv2d")
      .def(py::init([](const Tensor& weight, const Tensor& bias, int64_t stride, int64_t padding, Packing packing) {
             check_shape("weight of a convolution", weight, {-1, -1, -1, -1});
             return made<nn::Conv2d>("", weight, bias, packing, weight.size(1), weight.size(0), weight.size(2), stride,
                                     padding);
           }),
           py::arg("weight"), py::arg("bias"), py::arg("stride") = 1, py::arg("padding") = 0,
           py::arg("packing") = Packing::none)
      .def(
          "__call__",
          [](const nn::Conv2d& self, const Tensor& x, const OptionalTensor& residual) { return self(x, residual); },
          without_gil, py::arg("x"), py::arg("residual") = py::none(), "[B, in, H, W] -> [B, out, H', W']");
  py::class_<nn::Upsample2D>(module, "Upsample2D")
      .def(py::init([](const Tensor& weight, const Tensor& bias, Packing packing) {
             check_shape("weight of an upsampling convolution", weight, {-1, -1, 3, 3});
             return made<nn::Upsample2D>("conv.", weight, bias, packing, weight.size(0));
           }),
           py::arg("weight"), py::arg("bias"), py::arg("packing") = Packing::none)
      .def(
          "__call__", [](const nn::Upsample2D& self, const Tensor& x) { return self(x, 2 * x.size(2), 2 * x.size(3)); },
          without_gil, py::arg("x"), "[B, C, H, W] -> [B, C, 2 H, 2 W]");
}

}  // namespace catvton::bindings
