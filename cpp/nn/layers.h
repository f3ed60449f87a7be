// Layers with weights, under the names that torch.nn and diffusers give them.
#pragma once

#include "weights/state_dict.h"

namespace catvton::nn {

struct Linear {
  Tensor weight;        // [out, in]
  OptionalTensor bias;  // [out]
  Linear(const weights::Scope& w, int64_t in, int64_t out, bool with_bias = true);
  Tensor operator()(const Tensor& x) const;  // [..., in] -> [..., out]
};

struct Conv2d {
  Tensor weight, bias;  // [out, in, kernel, kernel], [out]
  int64_t stride, padding;
  Conv2d(const weights::Scope& w, int64_t in, int64_t out, int64_t kernel, int64_t stride = 1, int64_t padding = 0);
  Tensor operator()(const Tensor& x) const;  // [B, in, H, W] -> [B, out, H', W']
};

struct GroupNorm {
  Tensor weight, bias;  // [C]
  int64_t groups;
  double eps;
  GroupNorm(const weights::Scope& w, int64_t channels, int64_t groups, double eps);
  Tensor operator()(const Tensor& x) const;  // [B, C, ...]
};

struct LayerNorm {
  Tensor weight, bias;  // [C]
  LayerNorm(const weights::Scope& w, int64_t channels);
  Tensor operator()(const Tensor& x) const;  // [..., C]
};

}  // namespace catvton::nn
