#include "nn/layers.h"

#include <stdexcept>

#include "ops/group_norm/group_norm.h"
#include "ops/products.h"
#include "torch_stable/onednn.h"
#include "torch_stable/ops.h"

namespace catvton::nn {
namespace {

Tensor plus(const Tensor& x, const OptionalTensor& residual) { return residual ? ops::add(x, *residual) : x; }

Tensor pixels_as_tokens(const Tensor& image) {  // [B, C, H, W] -> [B, H, W, C]
  return ops::contiguous(ops::permute(image, {0, 2, 3, 1}));
}

weights::Pack pack_conv2d(int64_t out, int64_t in, int64_t kernel, int64_t stride, int64_t padding) {
  return [=](const Tensor& weight) {
    if (kernel == 1 && stride == 1) return onednn::pack_linear(ops::reshape(weight, {out, in}));
    return onednn::pack_conv2d(weight, stride, padding);
  };
}

}  // namespace

Linear::Linear(const weights::Scope& w, int64_t in, int64_t out, bool with_bias)
    : weight(w.take("weight", {out, in}, onednn::pack_linear).tensor()),
      bias(with_bias ? OptionalTensor{w.take("bias", {out})} : std::nullopt) {}

Tensor Linear::operator()(const Tensor& x, const OptionalTensor& residual) const {
  if (!onednn::is_packed(weight)) return plus(ops::products::linear(x, weight, bias), residual);
  return onednn::linear(ops::contiguous(x), weight, bias, residual);
}

Conv2d::Conv2d(const weights::Scope& w, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding)
    : stride(stride), padding(padding) {
  const weights::Weight taken =
      w.take("weight", {out, in, kernel, kernel}, pack_conv2d(out, in, kernel, stride, padding));
  bias = w.take("bias", {out});
  if (taken.packed && (kernel > 1 || stride > 1)) {
    packed = std::make_shared<onednn::PackedConv2d>(taken.packed, stride, padding);
  } else {
    weight = taken.tensor();
  }
}

Tensor Conv2d::operator()(const Tensor& x, const OptionalTensor& residual) const {
  if (packed) return (*packed)(x, bias, residual);
  if (!onednn::is_packed(weight)) {
    return plus(ops::products::conv2d(x, weight, bias, stride, {padding, padding}), residual);
  }
  // Packed, a 1x1 convolution is a linear layer over pixels.
  const OptionalTensor added = residual ? OptionalTensor{pixels_as_tokens(*residual)} : std::nullopt;
  return ops::permute(onednn::linear(pixels_as_tokens(x), weight, bias, added), {0, 3, 1, 2});
}

GroupNorm::GroupNorm(const weights::Scope& w, int64_t channels, int64_t groups, double eps)
    : weight(w.take("weight", {channels})), bias(w.take("bias", {channels})), groups(groups), eps(eps) {
  if (groups < 1 || channels % groups != 0) {
    throw std::invalid_argument(w.label() + ": " + std::to_string(channels) + " channels do not divide into " +
                                std::to_string(groups) + " groups; check norm_num_groups in config.json");
  }
}

Tensor GroupNorm::operator()(const Tensor& x) const {
  return ops::fused_group_norm({x, {}}, groups, weight, bias, eps, /*silu=*/false);
}

Tensor GroupNorm::silu(const Tensor& x, const OptionalTensor& shift) const {
  return ops::fused_group_norm({x, shift}, groups, weight, bias, eps, /*silu=*/true);
}

LayerNorm::LayerNorm(const weights::Scope& w, int64_t channels)
    : weight(w.take("weight", {channels})), bias(w.take("bias", {channels})) {}

Tensor LayerNorm::operator()(const Tensor& x) const { return ops::layer_norm(x, weight, bias, eps); }

}  // namespace catvton::nn
