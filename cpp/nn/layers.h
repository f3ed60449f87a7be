// Layers with weights, under the names that torch.nn and diffusers give them.
#pragma once

#include <memory>

#include "torch_stable/onednn.h"
#include "weights/state_dict.h"

namespace catvton::nn {

// Weights of linear layers and convolutions are packed where the state dict packs (torch_stable/onednn.h). Such a layer
// takes any memory layout; a convolution's result is in channels-last memory.

struct Linear {
  Tensor weight;        // [out, in]
  OptionalTensor bias;  // [out]
  Linear(const weights::Scope& w, int64_t in, int64_t out, bool with_bias = true);
  // [..., in] -> [..., out], plus `residual` of that shape
  Tensor operator()(const Tensor& x, const OptionalTensor& residual = {}) const;
};

struct Conv2d {
  Tensor weight, bias;  // [out, in, kernel, kernel] (packed and 1x1: [out, in]; undefined where `packed` has it), [out]
  int64_t stride, padding;
  std::shared_ptr<onednn::PackedConv2d> packed;  // null for plain weights, and for 1x1, which is a linear layer
  Conv2d(const weights::Scope& w, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t padding = 0);
  // [B, in, H, W] -> [B, out, H', W'], plus `residual` of that shape
  Tensor operator()(const Tensor& x, const OptionalTensor& residual = {}) const;
};

struct GroupNorm {
  Tensor weight, bias;  // [C]
  int64_t groups;
  double eps;
  GroupNorm(const weights::Scope& w, int64_t channels, int64_t groups, double eps);
  Tensor operator()(const Tensor& x) const;  // [B, C, ...]
  // silu of the norm of x + shift; x: [B, C, H, W], shift: [B, C]
  Tensor silu(const Tensor& x, const OptionalTensor& shift = {}) const;
};

struct LayerNorm {
  static constexpr double eps = 1e-5;
  Tensor weight, bias;  // [C]
  LayerNorm(const weights::Scope& w, int64_t channels);
  Tensor operator()(const Tensor& x) const;  // [..., C]
};

}  // namespace catvton::nn
