#include "nn/transformer_block.h"

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "nn/tap.h"
#include "ops/add_and_norm/add_and_norm.h"
#include "ops/attention/attention.h"
#include "ops/geglu/geglu.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::nn {
namespace {

// Elements of [a, b], the largest tensor of a UNet: 8C for each token, 252 MB in float16 for a guided picture of
// 1024x768. Tokens do not know of each other here, so they may come in parts. 2^24: enough for every device to be busy.
constexpr int64_t largest_projection = int64_t{1} << 24;

}  // namespace

SelfAttention::SelfAttention(const weights::Scope& w, int64_t channels, int64_t heads)
    : to_q(w / "to_q", channels, channels, false),
      to_k(w / "to_k", channels, channels, false),
      to_v(w / "to_v", channels, channels, false),
      to_out(w / "to_out.0", channels, channels),
      heads(heads),
      label(w.label()) {
  if (heads < 1 || channels % heads != 0) {
    throw std::invalid_argument(label + ": " + std::to_string(channels) + " channels do not divide into " +
                                std::to_string(heads) + " heads; check attention_head_dim in config.json");
  }
}

Tensor SelfAttention::operator()(const Tensor& x, const TokenMap& map, const OptionalTensor& residual) const {
  const int64_t batch = x.size(0), tokens = x.size(1), channels = x.size(2);
  auto split_heads = [&](const Tensor& t) {
    return ops::transpose(ops::reshape(t, {batch, t.size(1), heads, channels / heads}), 1,
                          2);  // [B, heads, n, C / heads]
  };
  const auto& [tokens_seen, int8_scores] = map.shortcuts;
  const Input all = x, fewer = downsampled(x, map.height, map.width, tokens_seen);
  const Input& seen = tokens_seen.factor == 1 ? all : fewer;
  Tensor mixed = ops::attention(split_heads(to_q(all)), split_heads(to_k(seen)), split_heads(to_v(seen)), int8_scores);
  mixed = ops::reshape(ops::transpose(mixed, 1, 2), {batch, tokens, channels});
  if (tap::on()) tap::record(label, to_out(mixed));
  return to_out(mixed, residual);  // [B, N, C]
}

FeedForward::FeedForward(const weights::Scope& w, int64_t channels)
    : project_in(w / "net.0.proj", channels, 8 * channels),
      project_out(w / "net.2", 4 * channels, channels),
      label(w.label()) {}

Tensor FeedForward::operator()(const Tensor& x, const OptionalTensor& residual) const {
  auto forward = [&](const Tensor& part, const OptionalTensor& added) {
    const Tensor gated = ops::geglu(project_in(part));  // [..., 4C]
    if (tap::on()) tap::record(label, project_out(gated));
    return project_out(gated, added);
  };
  const int64_t tokens = x.size(0) * x.size(1), channels = x.size(2);
  const int64_t at_once = std::max<int64_t>(1, largest_projection / project_in.bias->size(0));
  if (tokens <= at_once) return forward(x, residual);
  auto in_a_row = [&](const Tensor& t) { return ops::reshape(t, {tokens, channels}); };
  const Tensor rows_of_x = in_a_row(x), rows_of_residual = residual ? in_a_row(*residual) : Tensor();
  std::vector<Tensor> parts;
  for (int64_t first = 0; first < tokens; first += at_once) {
    auto part = [&](const Tensor& rows) { return ops::narrow(rows, 0, first, std::min(at_once, tokens - first)); };
    parts.push_back(forward(part(rows_of_x), residual ? OptionalTensor{part(rows_of_residual)} : std::nullopt));
  }
  return ops::reshape(ops::cat(parts, 0), shape_of(x));  // [B, N, C]
}

TransformerBlock::TransformerBlock(const weights::Scope& w, int64_t channels, int64_t heads)
    : norm1(w / "norm1", channels),
      attn1(w / "attn1", channels, heads),
      norm2(w / "norm2", channels),
      norm3(w / "norm3", channels),
      ff(w / "ff", channels),
      label(w.label()) {}

Tensor TransformerBlock::operator()(const Tensor& hidden, const TokenMap& map) const {
  const bool later = !tap::on() && ops::adds_residual_and_norms(hidden);
  const OptionalTensor now = later ? std::nullopt : OptionalTensor{hidden};
  const OptionalTensor residual = later ? OptionalTensor{hidden} : std::nullopt;
  const Tensor attended = attn1(norm1(hidden), map, now);
  if (tap::on()) tap::record(label, "norm2", norm2(attended));
  const auto [h, normalised] =
      ops::add_and_norm(attended, residual, {norm2.weight, norm2.bias}, {norm3.weight, norm3.bias}, LayerNorm::eps);
  return ff(normalised, h);
}

}  // namespace catvton::nn
