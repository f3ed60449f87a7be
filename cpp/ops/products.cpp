#include "ops/products.h"

#include <exception>

#include "ops/registry.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::ops::products {
namespace {

// mkldnn::_is_mkldnn_bf16_supported() -> bool, and its twin for float16. False, too, where torch has no oneDNN.
bool lacks_instructions(const char* asked) {
  try {
    return !torch_stable::call<bool>(asked, "");
  } catch (const std::exception&) {
    return false;
  }
}

bool in_float32(const Tensor& like) {
  static const bool bfloat16 = lacks_instructions("mkldnn::_is_mkldnn_bf16_supported");
  static const bool float16 = lacks_instructions("mkldnn::_is_mkldnn_fp16_supported");
  if (!like.is_cpu() || torch_stable::grad_enabled()) return false;
  const ScalarType dtype = like.scalar_type();
  return (dtype == ScalarType::BFloat16 && bfloat16) || (dtype == ScalarType::Half && float16);
}

template <class Product>
Tensor computed(const Tensor& x, const Tensor& weight, const OptionalTensor& bias, const Product& product) {
  if (weight.scalar_type() != x.scalar_type() || !in_float32(x)) return product(x, weight, bias);
  auto wide = [](const Tensor& t) { return to(t, ScalarType::Float); };
  return to(product(wide(x), wide(weight), bias ? OptionalTensor{wide(*bias)} : bias), x.scalar_type());
}

std::string implementation(const Tensor& like) { return in_float32(like) ? "ATen in float32" : "ATen"; }

const Registration of_linear("linear", &implementation), of_conv2d("conv2d", &implementation);

}  // namespace

Tensor linear(const Tensor& x, const Tensor& weight, const OptionalTensor& bias) {
  return computed(x, weight, bias, [](auto&&... operands) { return ops::linear(operands...); });
}

Tensor conv2d(const Tensor& x, const Tensor& weight, const OptionalTensor& bias, int64_t stride, const Ints& padding) {
  return computed(x, weight, bias, [&](auto&&... operands) { return ops::conv2d(operands..., stride, padding); });
}

}  // namespace catvton::ops::products
