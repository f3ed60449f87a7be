// Layers with weights, under the names that torch.nn and diffusers give them.
#pragma once

#include <memory>

#include "torch_stable/onednn.h"
#include "torch_stable/onednn_int8.h"
#include "weights/state_dict.h"

namespace catvton::nn {

// Weights of linear layers and convolutions are packed where the state dict packs (torch_stable/onednn.h), to eight bits
// if it says so (torch_stable/onednn_int8.h). Such a layer takes any memory layout; a convolution's result is in
// channels-last memory.

// What one or more layers take. Where those are in eight bits, it is quantised once, by the first of them.
class Input {
 public:
  Input(const Tensor& x) : x_(x) {}
  const Tensor& x() const { return x_; }
  const onednn::int8::Activations& in_eight_bits() const;

 private:
  Tensor x_;
  mutable std::optional<onednn::int8::Activations> in_eight_bits_;
};

struct Linear {
  Tensor weight;                                     // [out, in]; undefined where `int8` has it
  OptionalTensor bias;                               // [out]
  std::shared_ptr<const onednn::int8::Weight> int8;  // null where weights have all their bits
  Linear(const weights::Scope& w, int64_t in, int64_t out, bool with_bias = true);
  // [..., in] -> [..., out], plus `residual` of that shape
  Tensor operator()(const Input& input, const OptionalTensor& residual = {}) const;

 private:
  Linear(weights::Weight taken, OptionalTensor bias);
};

struct Conv2d {
  // [out, in, kernel, kernel] (packed and 1x1: [out, in]; undefined where one of the three has it), [out]
  Tensor weight, bias;
  int64_t stride, padding;
  std::shared_ptr<onednn::PackedConv2d> packed;  // null for plain weights, and for 1x1, which is a linear layer
  std::shared_ptr<const ops::winograd::Weight> winograd;
  std::shared_ptr<const onednn::int8::Weight> int8;
  // upsampled: what it takes is a map enlarged to twice its size (Upsample2D).
  Conv2d(const weights::Scope& w, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t padding = 0,
         bool upsampled = false);
  // [B, in, H, W] -> [B, out, H', W'], plus `residual` of that shape
  Tensor operator()(const Tensor& x, const OptionalTensor& residual = {}) const;
  // Packed weights pad rows and columns alike.
  bool pads_alike() const { return packed || winograd; }
  // Without the bias, which the norm behind it then adds; where that norm costs less so.
  bool leaves_bias_to_norm(const Tensor& x) const;
  Tensor without_bias(const Tensor& x) const;
};

struct GroupNorm {
  Tensor weight, bias;  // [C]
  int64_t groups;
  double eps;
  GroupNorm(const weights::Scope& w, int64_t channels, int64_t groups, double eps);
  Tensor operator()(const Tensor& x) const;  // [B, C, ...]
  // silu of the norm of x + shift + conv_bias; x: [B, C, H, W], shift: [B, C], conv_bias: [C]
  Tensor silu(const Tensor& x, const OptionalTensor& shift = {}, const OptionalTensor& conv_bias = {}) const;
};

struct LayerNorm {
  static constexpr double eps = 1e-5;
  Tensor weight, bias;  // [C]
  LayerNorm(const weights::Scope& w, int64_t channels);
  Tensor operator()(const Tensor& x) const;  // [..., C]
};

}  // namespace catvton::nn
