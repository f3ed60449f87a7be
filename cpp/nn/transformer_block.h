// diffusers' BasicTransformerBlock as CatVTON runs it: self-attention, a skipped cross-attention, GEGLU feed-forward.
//
//   h = h + attn1(norm1(h))
//   h = h + norm2(h)             attn2 is skipped but not absent: the reference's SkipAttnProcessor returns its input
//   h = h + ff(norm3(h))         ff(x) = W2 (a * gelu(b)), [a, b] = W1 x
//
// Source: arXiv 2407.15886, section 3.2; reference implementation, model/attn_processor.py.
#pragma once

#include <string>

#include "nn/attention_shortcuts.h"
#include "nn/layers.h"

namespace catvton::nn {

// The map that a row of tokens is, and how much of it the self-attention looks at.
struct TokenMap {
  int64_t height, width;
  AttentionShortcuts shortcuts;
};

struct SelfAttention {
  Linear to_q, to_k, to_v;  // no bias
  Linear to_out;
  int64_t heads;
  std::string label;
  SelfAttention(const weights::Scope& w, int64_t channels, int64_t heads);
  // x: [B, N, C], the tokens of `map` -> [B, N, C], plus `residual` of that shape. The tap sees what is added to it.
  Tensor operator()(const Tensor& x, const TokenMap& map, const OptionalTensor& residual = {}) const;
};

struct FeedForward {
  Linear project_in;   // C -> 8C
  Linear project_out;  // 4C -> C
  std::string label;
  FeedForward(const weights::Scope& w, int64_t channels);
  // x: [B, N, C] -> [B, N, C], residual and tap as above.
  Tensor operator()(const Tensor& x, const OptionalTensor& residual = {}) const;
};

struct TransformerBlock {
  LayerNorm norm1;
  SelfAttention attn1;
  LayerNorm norm2, norm3;
  FeedForward ff;
  std::string label;
  TransformerBlock(const weights::Scope& w, int64_t channels, int64_t heads);
  Tensor operator()(const Tensor& hidden, const TokenMap& map) const;  // [B, N, C], the tokens of `map`
};

}  // namespace catvton::nn
