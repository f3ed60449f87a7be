// _C.ops: every wrapped ATen operator by itself, so that a test can hold each against torch's own.
#include "bindings.h"
#include "ops/add_and_norm/add_and_norm.h"
#include "ops/attention/attention.h"
#include "ops/bias_and_residual/bias_and_residual.h"
#include "ops/cpu.h"
#include "ops/expand_float8/expand_float8.h"
#include "ops/geglu/geglu.h"
#include "ops/gpu/choice.h"
#include "ops/group_norm/group_norm.h"
#include "ops/products.h"
#include "ops/registry.h"
#include "ops/winograd/winograd.h"
#include "tensor_caster.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace py = pybind11;

namespace catvton::bindings {

void bind_torch_stable(py::module_& m) {
  py::module_ ops = m.def_submodule("ops", "ATen's operators as the engine calls them");
  ops.def("full", [](const Ints& shape, double value, const Tensor& like) {
    return ops::full(shape, value, like.scalar_type(), like);
  });
  ops.def("zeros_like", &ops::zeros_like);
  ops.def("to_dtype_of", [](const Tensor& x, const Tensor& like) { return ops::to(x, like.scalar_type()); });
  ops.def("to_like", [](const Tensor& x, const Tensor& like) { return ops::to(x, like.scalar_type(), like.device()); });
  ops.def("add", &ops::add);
  ops.def("sub", &ops::sub);
  ops.def("mul", py::overload_cast<const Tensor&, const Tensor&>(&ops::mul));
  ops.def("mul", py::overload_cast<const Tensor&, double>(&ops::mul));
  ops.def("div", &ops::div);
  ops.def("clamp", &ops::clamp);
  ops.def("exp", &ops::exp);
  ops.def("sin", &ops::sin);
  ops.def("cos", &ops::cos);
  ops.def("less", &ops::less);
  ops.def("cat", &ops::cat);
  ops.def("chunk", &ops::chunk);
  ops.def("narrow", &ops::narrow);
  ops.def("permute", &ops::permute);
  ops.def("pad_zeros", &ops::pad_zeros);
  ops.def("resize_nearest", &ops::resize_nearest);
  ops.def("linear", &ops::products::linear, py::arg("x"), py::arg("weight"), py::arg("bias") = py::none());
  ops.def("conv2d", [](const Tensor& x, const Tensor& weight, const OptionalTensor& bias, int64_t stride,
                       int64_t padding) { return ops::products::conv2d(x, weight, bias, stride, {padding, padding}); });
  ops.def("conv2d", &ops::products::conv2d);
  ops.def(
      "winograd_conv2d",
      [](const Tensor& x, const Tensor& weight, const Tensor& bias, const OptionalTensor& residual) {
        if (const auto packed = ops::winograd::pack(weight)) return ops::winograd::conv2d(x, *packed, bias, residual);
        const Tensor direct = ops::products::conv2d(x, weight, bias, 1, {1, 1});
        return residual ? ops::add(direct, *residual) : direct;
      },
      py::arg("x"), py::arg("weight"), py::arg("bias"), py::arg("residual") = py::none(),
      "conv2d(x, weight, bias, padding=1) + residual, 3x3; by the kernel that is for this weight, if there is one.");
  ops.def(
      "winograd_upsample_conv2d",
      [](const Tensor& x, const Tensor& weight, const Tensor& bias) {
        if (const auto packed = ops::winograd::pack(weight)) return ops::winograd::upsample_conv2d(x, *packed, bias);
        return ops::products::conv2d(ops::resize_nearest(x, 2 * x.size(2), 2 * x.size(3)), weight, bias, 1, {1, 1});
      },
      py::arg("x"), py::arg("weight"), py::arg("bias"),
      "winograd_conv2d of x enlarged to twice its size, nearest, without making that map.");
  ops.def(
      "winograd_repack",
      [](const Tensor& weight) {
        const auto packed = ops::winograd::pack(weight);
        return packed ? OptionalTensor{ops::winograd::unpack(*packed)} : std::nullopt;
      },
      py::arg("weight"), "The weight packed and written out anew; None if no kernel here is for it.");
  ops.def("batch_norm", &ops::batch_norm);
  ops.def("var_mean", &ops::var_mean);
  ops.def("group_norm", &ops::group_norm);
  ops.def("layer_norm", &ops::layer_norm);
  ops.def("silu", &ops::silu);
  ops.def("gelu", &ops::gelu);
  ops.def("attention", &ops::attention, py::arg("query"), py::arg("key"), py::arg("value"),
          py::arg("int8_scores") = false);
  ops.def("attends_in_int8", &ops::attends_in_int8);
  ops.def("geglu", &ops::geglu);
  ops.def(
      "fused_group_norm",
      [](const Tensor& x, const OptionalTensor& shift, int64_t groups, const Tensor& weight, const Tensor& bias,
         double eps, bool silu, const OptionalTensor& conv_bias) {
        return ops::fused_group_norm({x, shift, conv_bias}, groups, weight, bias, eps, silu);
      },
      py::arg("x"), py::arg("shift"), py::arg("groups"), py::arg("weight"), py::arg("bias"), py::arg("eps"),
      py::arg("silu"), py::arg("conv_bias") = py::none(), "silu(group_norm(x + shift + conv_bias)).");
  ops.def(
      "add_and_norm",
      [](const Tensor& h, const Tensor& weight_1, const Tensor& bias_1, const Tensor& weight_2, const Tensor& bias_2,
         double eps, const OptionalTensor& residual) {
        return ops::add_and_norm(h, residual, {weight_1, bias_1}, {weight_2, bias_2}, eps);
      },
      py::arg("h"), py::arg("weight_1"), py::arg("bias_1"), py::arg("weight_2"), py::arg("bias_2"), py::arg("eps"),
      py::arg("residual") = py::none(), "h + layer_norm(h, 1), and layer_norm of that, 2; h with `residual` added.");
  ops.def("add_bias_and_residual", &ops::add_bias_and_residual, py::arg("y"), py::arg("bias"), py::arg("residual"),
          "y + bias + residual, the bias along the channels of y: [B, C, H, W].");
  ops.def(
      "expand_float8",
      [](const Tensor& values, const Tensor& scale, const Tensor& like) {
        return ops::expand_float8(values, scale, like.scalar_type());
      },
      py::arg("values"), py::arg("scale"), py::arg("like"),
      "values * scale in the dtype of `like`; values: float8_e4m3fn [out, ...], scale: float32 [out, 1, ...].");
  ops.def("describe", &describe);
  ops.def("implementations", &ops::implementations, py::arg("like"),
          "Our own operators, and what computes each for tensors of the device and dtype of `like`.");
  ops.def(
      "cpu_level", [] { return std::string(to_text(ops::cpu_level())); },
      "The CPU instructions that own kernels may use: aten (none), avx2, avx512 or avx512_bf16.");
  ops.def(
      "set_cpu_level", &ops::set_cpu_level, py::arg("name"),
      "For tests and measurements; \"auto\" for the most that this CPU has. CATVTON_CPU does the same from outside.");
  ops.def("emulate_cuda", &ops::gpu::set_emulation, py::arg("on"),
          "For tests: the CUDA kernels' bodies compute for tensors on the CPU, thread by thread.");
}

}  // namespace catvton::bindings
