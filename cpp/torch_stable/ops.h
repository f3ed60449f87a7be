// ATen's operators as plain functions. The line above a function is the schema that it calls.
#pragma once

#include <torch/csrc/stable/ops.h>

#include "torch_stable/call.h"

namespace catvton::ops {

using torch::stable::contiguous;
using torch::stable::reshape;
using torch::stable::transpose;

// ---- making and converting ------------------------------------------------------------------------------------------

// A tensor of one value on the device of `like`. Scalar has no boxed form: 0-dim tensors and `full` stand in for it.
inline Tensor full(const Ints& shape, double value, ScalarType dtype, const Tensor& like) {
  return torch::stable::full(shape, value, dtype, std::nullopt, like.device());
}

// Uninitialised, in the dtype and on the device of `like`.
inline Tensor empty(const Ints& shape, const Tensor& like) { return torch::stable::new_empty(like, shape); }

// aten::copy_(Tensor(a!) self, Tensor src, bool non_blocking=False) -> Tensor(a!)
inline void copy_into(Tensor target, const Tensor& source) { torch::stable::copy_(target, source); }

inline Tensor zeros_like(const Tensor& x) { return torch::stable::new_zeros(x, x.sizes()); }

// aten::to.dtype_layout: x itself where nothing changes.
inline Tensor to(const Tensor& x, ScalarType dtype) { return torch::stable::to(x, dtype); }
inline Tensor to(const Tensor& x, ScalarType dtype, const Device& device) {
  return torch::stable::to(x, dtype, std::nullopt, device);
}

// ---- arithmetic -----------------------------------------------------------------------------------------------------

// x + y. aten::add takes a Scalar; subtracting with alpha -1 runs the same kernel.
inline Tensor add(const Tensor& x, const Tensor& y) { return torch::stable::subtract(x, y, -1.0); }

inline Tensor sub(const Tensor& x, const Tensor& y) { return torch::stable::subtract(x, y, 1.0); }

// aten::mul.Tensor(Tensor self, Tensor other) -> Tensor
inline Tensor mul(const Tensor& x, const Tensor& y) { return torch_stable::call("aten::mul", "Tensor", x, y); }

// aten::mul_.Tensor(Tensor(a!) self, Tensor other) -> Tensor(a!)
inline Tensor mul_into(const Tensor& x, const Tensor& y) { return torch_stable::call("aten::mul_", "Tensor", x, y); }

// x * factor, the factor rounded to float32 as a 0-dim tensor: it takes part in x's dtype and does not promote it.
inline Tensor mul(const Tensor& x, double factor) { return mul(x, full({}, factor, ScalarType::Float, x)); }

// aten::div.Tensor(Tensor self, Tensor other) -> Tensor
inline Tensor div(const Tensor& x, double divisor) {
  return torch_stable::call("aten::div", "Tensor", x, full({}, divisor, ScalarType::Float, x));
}

// aten::clamp.Tensor(Tensor self, Tensor? min=None, Tensor? max=None) -> Tensor
inline Tensor clamp(const Tensor& x, double low, double high) {
  const ScalarType dtype = x.scalar_type();
  return torch_stable::call("aten::clamp", "Tensor", x, OptionalTensor{full({}, low, dtype, x)},
                            OptionalTensor{full({}, high, dtype, x)});
}

// aten::exp(Tensor self) -> Tensor
inline Tensor exp(const Tensor& x) { return torch_stable::call("aten::exp", "", x); }

// aten::sin(Tensor self) -> Tensor
inline Tensor sin(const Tensor& x) { return torch_stable::call("aten::sin", "", x); }

// aten::cos(Tensor self) -> Tensor
inline Tensor cos(const Tensor& x) { return torch_stable::call("aten::cos", "", x); }

// aten::lt.Tensor(Tensor self, Tensor other) -> Tensor
inline Tensor less(const Tensor& x, double bound) {
  return torch_stable::call("aten::lt", "Tensor", x, full({}, bound, ScalarType::Float, x));
}

// aten::var_mean.correction(Tensor self, int[1]? dim=None, *, Scalar? correction=None, bool keepdim=False)
//     -> (Tensor, Tensor)
// Variance and mean over `dim`; without a correction given, the variance is the sum of squares over n - 1.
inline std::pair<Tensor, Tensor> var_mean(const Tensor& x, int64_t dim) {
  const std::array<StableIValue, 4> results = torch_stable::call_for_stack(
      "aten::var_mean", "correction", x, std::optional<Ints>{Ints{dim}}, std::optional<double>{}, false);
  return {torch::stable::detail::to<Tensor>(results[0]), torch::stable::detail::to<Tensor>(results[1])};
}

// ---- shapes ---------------------------------------------------------------------------------------------------------

// aten::cat(Tensor[] tensors, int dim=0) -> Tensor
inline Tensor cat(const std::vector<Tensor>& tensors, int64_t dim) {
  return torch_stable::call("aten::cat", "", tensors, dim);
}

// aten::chunk(Tensor(a -> *) self, int chunks, int dim=0) -> Tensor(a)[]
inline std::vector<Tensor> chunk(const Tensor& x, int64_t chunks, int64_t dim) {
  return torch_stable::call<std::vector<Tensor>>("aten::chunk", "", x, chunks, dim);
}

// aten::narrow(Tensor(a) self, int dim, SymInt start, SymInt length) -> Tensor(a)
inline Tensor narrow(const Tensor& x, int64_t dim, int64_t start, int64_t length) {
  return torch_stable::call("aten::narrow", "", x, dim, start, length);
}

// aten::permute(Tensor(a) self, int[] dims) -> Tensor(a)
inline Tensor permute(const Tensor& x, const Ints& dims) { return torch_stable::call("aten::permute", "", x, dims); }

// aten::pad(Tensor self, SymInt[] pad, str mode="constant", float? value=None) -> Tensor
inline Tensor pad_zeros(const Tensor& x, const Ints& pad) {
  return torch_stable::call("aten::pad", "", x, pad, std::string("constant"), std::optional<double>{0.0});
}

// aten::upsample_nearest2d.vec(Tensor input, SymInt[]? output_size, float[]? scale_factors) -> Tensor
// Source pixel floor(i * in / out), the rule of OpenCV and of torch, not of Pillow. The overload without ".vec" goes
// straight to a kernel that takes int[], and a boxed SymInt[] does not arrive there in inference mode (torch 2.14).
inline Tensor resize_nearest(const Tensor& x, int64_t height, int64_t width) {
  return torch_stable::call("aten::upsample_nearest2d", "vec", x, std::optional<Ints>{Ints{height, width}},
                            std::optional<std::vector<double>>{});
}

// ---- layers ---------------------------------------------------------------------------------------------------------

// aten::linear(Tensor input, Tensor weight, Tensor? bias=None) -> Tensor
inline Tensor linear(const Tensor& x, const Tensor& weight, const OptionalTensor& bias = {}) {
  return torch_stable::call("aten::linear", "", x, weight, bias);
}

// aten::conv2d(Tensor input, Tensor weight, Tensor? bias=None, SymInt[2] stride=1, SymInt[2] padding=0,
//              SymInt[2] dilation=1, SymInt groups=1) -> Tensor
inline Tensor conv2d(const Tensor& x, const Tensor& weight, const OptionalTensor& bias, int64_t stride,
                     const Ints& padding) {
  return torch_stable::call("aten::conv2d", "", x, weight, bias, Ints{stride, stride}, padding, Ints{1, 1}, int64_t{1});
}
inline Tensor conv2d(const Tensor& x, const Tensor& weight, const OptionalTensor& bias, int64_t stride,
                     int64_t padding) {
  return conv2d(x, weight, bias, stride, Ints{padding, padding});
}

// aten::avg_pool2d(Tensor self, int[2] kernel_size, int[2] stride=[], int[2] padding=0, bool ceil_mode=False,
//                  bool count_include_pad=True, int? divisor_override=None) -> Tensor
// Means over windows of `size` x `size`; those at the far edges are smaller where it does not divide the map.
inline Tensor avg_pool(const Tensor& x, int64_t size) {
  return torch_stable::call("aten::avg_pool2d", "", x, Ints{size, size}, Ints{size, size}, Ints{0, 0}, true, false,
                            std::optional<int64_t>{});
}

// aten::group_norm(Tensor input, int num_groups, Tensor? weight=None, Tensor? bias=None, float eps=1e-05,
//                  bool cudnn_enabled=True) -> Tensor
inline Tensor group_norm(const Tensor& x, int64_t groups, const Tensor& weight, const Tensor& bias, double eps) {
  return torch_stable::call("aten::group_norm", "", x, groups, OptionalTensor{weight}, OptionalTensor{bias}, eps, true);
}

// aten::batch_norm(Tensor input, Tensor? weight, Tensor? bias, Tensor? running_mean, Tensor? running_var, bool training,
//                  float momentum, float eps, bool cudnn_enabled) -> Tensor
// As in evaluation: (x - mean) / sqrt(variance + eps) * weight + bias, each [C] and float32 whatever x is.
inline Tensor batch_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, const Tensor& mean,
                         const Tensor& variance, double eps) {
  return torch_stable::call("aten::batch_norm", "", x, OptionalTensor{weight}, OptionalTensor{bias},
                            OptionalTensor{mean}, OptionalTensor{variance}, false, 0.0, eps, true);
}

// aten::layer_norm(Tensor input, SymInt[] normalized_shape, Tensor? weight=None, Tensor? bias=None, float eps=1e-05,
//                  bool cudnn_enable=True) -> Tensor
inline Tensor layer_norm(const Tensor& x, const Tensor& weight, const Tensor& bias, double eps) {
  return torch_stable::call("aten::layer_norm", "", x, Ints{weight.size(0)}, OptionalTensor{weight},
                            OptionalTensor{bias}, eps, true);
}

// aten::silu(Tensor self) -> Tensor
inline Tensor silu(const Tensor& x) { return torch_stable::call("aten::silu", "", x); }

// aten::gelu(Tensor self, *, str approximate='none') -> Tensor: the exact one, with erf.
inline Tensor gelu(const Tensor& x) { return torch_stable::call("aten::gelu", "", x, std::string("none")); }

// aten::scaled_dot_product_attention(Tensor query, Tensor key, Tensor value, Tensor? attn_mask=None,
//     float dropout_p=0.0, bool is_causal=False, *, float? scale=None, bool enable_gqa=False) -> Tensor
inline Tensor scaled_dot_product_attention(const Tensor& query, const Tensor& key, const Tensor& value) {
  return torch_stable::call("aten::scaled_dot_product_attention", "", query, key, value, OptionalTensor{}, 0.0, false,
                            std::optional<double>{}, false);
}

}  // namespace catvton::ops
