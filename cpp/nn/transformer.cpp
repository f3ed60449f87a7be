#include "nn/transformer.h"

#include "nn/tap.h"
#include "ops/kernels.h"
#include "torch_stable/ops.h"

namespace catvton::nn {

Transformer2DModel::Transformer2DModel(const weights::Scope& w, int64_t channels, const Options& options)
    : norm(w / "norm", channels, options.groups, 1e-6), label(w.label()) {
  if (options.use_linear_projection) {
    linear_in.emplace(w / "proj_in", channels, channels);
    linear_out.emplace(w / "proj_out", channels, channels);
  } else {
    conv_in.emplace(w / "proj_in", channels, channels, 1);
    conv_out.emplace(w / "proj_out", channels, channels, 1);
  }
  for (int64_t i = 0; i < options.layers; ++i) {
    transformer_blocks.emplace_back(w / "transformer_blocks" / i, channels, options.heads);
  }
}

Tensor Transformer2DModel::operator()(const Tensor& x, const AttentionShortcuts& shortcuts) const {
  const int64_t batch = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
  auto to_tokens = [&](const Tensor& image) {
    return ops::reshape(ops::permute(image, {0, 2, 3, 1}), {batch, height * width, channels});  // [B, HW, C]
  };
  auto to_image = [&](const Tensor& tokens) {  // [B, C, H, W], in the memory format of x
    const Tensor image = ops::permute(ops::reshape(tokens, {batch, height, width, channels}), {0, 3, 1, 2});
    return ops::is_channels_last(x) ? image : ops::contiguous(image);
  };

  Tensor h = norm(x);
  h = conv_in ? to_tokens((*conv_in)(h)) : (*linear_in)(to_tokens(h));
  for (const TransformerBlock& block : transformer_blocks) h = block(h, {height, width, shortcuts});
  h = conv_out ? (*conv_out)(to_image(h), x) : ops::add(to_image((*linear_out)(h)), x);
  tap::record(label, h);
  return h;
}

}  // namespace catvton::nn
