#include "nn/resnet_block.h"

#include "nn/tap.h"
#include "torch_stable/ops.h"

namespace catvton::nn {

ResnetBlock2D::ResnetBlock2D(const weights::Scope& w, int64_t in, int64_t out, int64_t time_channels, int64_t groups,
                             double eps)
    : norm1(w / "norm1", in, groups, eps),
      conv1(w / "conv1", in, out, 3, 1, 1),
      norm2(w / "norm2", out, groups, eps),
      conv2(w / "conv2", out, out, 3, 1, 1),
      label(w.label()) {
  if (time_channels > 0) time_emb_proj.emplace(w.keeping_bits() / "time_emb_proj", time_channels, out);
  if (in != out) conv_shortcut.emplace(w / "conv_shortcut", in, out, 1);
}

Tensor ResnetBlock2D::operator()(const Tensor& x, const OptionalTensor& activated_time) const {
  const bool in_norm2 = !tap::on() && conv1.leaves_bias_to_norm(x);
  Tensor h = in_norm2 ? conv1.without_bias(norm1.silu(x)) : conv1(norm1.silu(x));  // [B, out, H, W]
  const OptionalTensor bias = in_norm2 ? OptionalTensor{conv1.bias} : std::nullopt;
  const OptionalTensor shift =
      time_emb_proj ? OptionalTensor{(*time_emb_proj)(*activated_time)} : std::nullopt;  // [B, out]
  if (tap::on()) {
    tap::record(label, "norm2", norm2(shift ? ops::add(h, ops::reshape(*shift, {-1, h.size(1), 1, 1})) : h));
  }
  h = conv2(norm2.silu(h, shift, bias), conv_shortcut ? (*conv_shortcut)(x) : x);
  tap::record(label, h);
  return h;
}

}  // namespace catvton::nn
