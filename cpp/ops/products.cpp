#include "ops/products.h"

#include "ops/registry.h"
#include "torch_stable/onednn.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::ops::products {
namespace {

bool in_float32(const Tensor& like) {
  return like.is_cpu() && !torch_stable::grad_enabled() && onednn::lacks_instructions(like.scalar_type());
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
