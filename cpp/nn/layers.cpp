#include "nn/layers.h"

#include <stdexcept>

#include "ops/bias_and_residual/bias_and_residual.h"
#include "ops/group_norm/group_norm.h"
#include "ops/products.h"
#include "ops/quantize/quantize.h"
#include "torch_stable/onednn.h"
#include "torch_stable/ops.h"

namespace catvton::nn {
namespace {

Tensor plus(const Tensor& x, const OptionalTensor& residual) { return residual ? ops::add(x, *residual) : x; }

Tensor pixels_as_tokens(const Tensor& image) {  // [B, C, H, W] -> [B, H, W, C]
  return ops::contiguous(ops::permute(image, {0, 2, 3, 1}));
}

OptionalTensor tokens_of(const OptionalTensor& image) {
  return image ? OptionalTensor{pixels_as_tokens(*image)} : std::nullopt;
}

Tensor as_image(const Tensor& pixels) { return ops::permute(pixels, {0, 3, 1, 2}); }  // [B, H, W, C] -> [B, C, H, W]

const weights::Pack of_linear{onednn::pack_linear, onednn::int8::pack_linear};

weights::Pack of_conv2d(int64_t out, int64_t in, int64_t kernel, int64_t stride, int64_t padding, bool upsampled) {
  if (kernel == 1 && stride == 1) {  // packed, a linear layer over pixels
    return {[=](const Tensor& weight) { return onednn::pack_linear(ops::reshape(weight, {out, in})); },
            onednn::int8::pack_linear};
  }
  using enum weights::Winograd;
  const bool fits = kernel == 3 && stride == 1 && padding == 1;
  const weights::Winograd winograd = !fits ? no : upsampled ? yes : where_bits_may_be_lost;
  return {[=](const Tensor& weight) { return onednn::pack_conv2d(weight, stride, padding); },
          [=](const Tensor& weight) { return onednn::int8::pack_conv2d(weight, stride, padding); }, winograd};
}

}  // namespace

const onednn::int8::Activations& Input::in_eight_bits() const {
  if (!in_eight_bits_) in_eight_bits_ = ops::quantize(x_);
  return *in_eight_bits_;
}

Linear::Linear(const weights::Scope& w, int64_t in, int64_t out, bool with_bias)
    : Linear(w.take("weight", {out, in}, of_linear), with_bias ? OptionalTensor{w.take("bias", {out})} : std::nullopt) {
}

Linear::Linear(weights::Weight taken, OptionalTensor bias)
    : weight(taken.tensor()), bias(std::move(bias)), int8(std::move(taken.int8)) {}

Tensor Linear::operator()(const Input& input, const OptionalTensor& residual) const {
  if (int8) return onednn::int8::linear(input.in_eight_bits(), *int8, bias, residual);
  if (!onednn::is_packed(weight)) return plus(ops::products::linear(input.x(), weight, bias), residual);
  return onednn::linear(ops::contiguous(input.x()), weight, bias, residual);
}

Conv2d::Conv2d(const weights::Scope& w, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding,
               bool upsampled)
    : stride(stride), padding(padding) {
  const weights::Weight taken =
      w.take("weight", {out, in, kernel, kernel}, of_conv2d(out, in, kernel, stride, padding, upsampled));
  bias = w.take("bias", {out});
  int8 = taken.int8;
  winograd = taken.winograd;
  if (taken.packed && (kernel > 1 || stride > 1)) {
    packed = std::make_shared<onednn::PackedConv2d>(taken.packed, stride, padding);
  } else {
    weight = taken.tensor();
  }
}

Tensor Conv2d::operator()(const Tensor& x, const OptionalTensor& residual) const {
  if (packed) return (*packed)(x, bias, residual);
  if (winograd) return ops::winograd::conv2d(x, *winograd, bias, residual);
  if (int8 && int8->packed.dim() == 2) {
    return as_image(onednn::int8::linear(ops::quantize(pixels_as_tokens(x)), *int8, bias, tokens_of(residual)));
  }
  if (int8) return plus(onednn::int8::conv2d(ops::quantize(x), *int8, bias, stride, padding), residual);
  if (!onednn::is_packed(weight)) {
    if (residual && ops::adds_bias_and_residual(x)) return ops::add_bias_and_residual(without_bias(x), bias, *residual);
    return plus(ops::products::conv2d(x, weight, bias, stride, {padding, padding}), residual);
  }
  return as_image(onednn::linear(pixels_as_tokens(x), weight, bias, tokens_of(residual)));
}

bool Conv2d::leaves_bias_to_norm(const Tensor& x) const {
  return !packed && !winograd && !int8 && !onednn::is_packed(weight) && ops::group_norm_adds_bias(x);
}

Tensor Conv2d::without_bias(const Tensor& x) const {
  return ops::products::conv2d(x, weight, {}, stride, {padding, padding});
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

Tensor GroupNorm::silu(const Tensor& x, const OptionalTensor& shift, const OptionalTensor& conv_bias) const {
  return ops::fused_group_norm({x, shift, conv_bias}, groups, weight, bias, eps, /*silu=*/true);
}

LayerNorm::LayerNorm(const weights::Scope& w, int64_t channels)
    : weight(w.take("weight", {channels})), bias(w.take("bias", {channels})) {}

Tensor LayerNorm::operator()(const Tensor& x) const { return ops::layer_norm(x, weight, bias, eps); }

}  // namespace catvton::nn
