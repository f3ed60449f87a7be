#include "nn/layers.h"

#include <stdexcept>

#include "torch_stable/ops.h"

namespace catvton::nn {

Linear::Linear(const weights::Scope& w, int64_t in, int64_t out, bool with_bias)
    : weight(w.take("weight", {out, in})), bias(with_bias ? OptionalTensor{w.take("bias", {out})} : std::nullopt) {}

Tensor Linear::operator()(const Tensor& x) const { return ops::linear(x, weight, bias); }

Conv2d::Conv2d(const weights::Scope& w, int64_t in, int64_t out, int64_t kernel, int64_t stride, int64_t padding)
    : weight(w.take("weight", {out, in, kernel, kernel})),
      bias(w.take("bias", {out})),
      stride(stride),
      padding(padding) {}

Tensor Conv2d::operator()(const Tensor& x) const { return ops::conv2d(x, weight, bias, stride, padding); }

GroupNorm::GroupNorm(const weights::Scope& w, int64_t channels, int64_t groups, double eps)
    : weight(w.take("weight", {channels})), bias(w.take("bias", {channels})), groups(groups), eps(eps) {
  if (groups < 1 || channels % groups != 0) {
    throw std::invalid_argument(w.label() + ": " + std::to_string(channels) + " channels do not divide into " +
                                std::to_string(groups) + " groups; check norm_num_groups in config.json");
  }
}

Tensor GroupNorm::operator()(const Tensor& x) const { return ops::group_norm(x, groups, weight, bias, eps); }

LayerNorm::LayerNorm(const weights::Scope& w, int64_t channels)
    : weight(w.take("weight", {channels})), bias(w.take("bias", {channels})) {}

Tensor LayerNorm::operator()(const Tensor& x) const { return ops::layer_norm(x, weight, bias, 1e-5); }

}  // namespace catvton::nn
