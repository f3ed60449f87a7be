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
  if (time_channels > 0) time_emb_proj.emplace(w / "time_emb_proj", time_channels, out);
  if (in != out) conv_shortcut.emplace(w / "conv_shortcut", in, out, 1);
}

Tensor ResnetBlock2D::operator()(const Tensor& x, const OptionalTensor& activated_time) const {
  Tensor h = conv1(ops::silu(norm1(x)));  // [B, out, H, W]
  if (time_emb_proj) {
    Tensor shift = (*time_emb_proj)(*activated_time);  // [B, out]
    h = ops::add(h, ops::reshape(shift, {-1, shift.size(1), 1, 1}));
  }
  h = norm2(h);
  tap::record(label, "norm2", h);
  h = conv2(ops::silu(h));
  h = ops::add(conv_shortcut ? (*conv_shortcut)(x) : x, h);
  tap::record(label, h);
  return h;
}

}  // namespace catvton::nn
