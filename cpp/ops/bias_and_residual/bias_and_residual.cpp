#include "ops/bias_and_residual/bias_and_residual.h"

#include "ops/bias_and_residual/bias_and_residual_gpu.h"
#include "ops/gpu/choice.h"
#include "ops/kernels.h"
#include "ops/registry.h"
#include "ops/selfcheck.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::ops {
namespace {

Tensor by_aten(const Tensor& y, const Tensor& bias, const Tensor& residual) {
  return add(add(y, reshape(bias, {1, y.size(1), 1, 1})), residual);
}

Tensor by_gpu(const Tensor& y, const Tensor& bias, const Tensor& residual) {
  const Tensor b = contiguous(to(bias, y.scalar_type()));
  Tensor sum = torch::stable::empty_like(y);
  const gpu::BiasAndResidualArguments arguments{
      y.data_ptr(), b.data_ptr(), residual.data_ptr(),   sum.data_ptr(),    gpu::number_of(y.scalar_type()),
      y.size(0),    y.size(1),    y.size(2) * y.size(3), !y.is_contiguous()};
  gpu::run(y, arguments, CATVTON_CUDA_KERNEL(gpu::bias_and_residual_cuda),
           [](const gpu::BiasAndResidualArguments& in) { gpu::bias_and_residual(gpu::Emulate{}, in); });
  return sum;
}

// Problems of y as [B, H, W, C], bias, residual alike, each in both memory formats.
template <Tensor (*function)(const Tensor&, const Tensor&, const Tensor&)>
Tensor in_both_formats(const std::vector<Tensor>& in) {
  std::vector<Tensor> results;
  for (size_t i = 0; i < in.size(); i += 3) {
    const Tensor y = permute(in[i], Ints{0, 3, 1, 2}), residual = permute(in[i + 2], Ints{0, 3, 1, 2});
    results.push_back(reshape(function(y, in[i + 1], residual), {-1}));
    results.push_back(reshape(function(contiguous(y), in[i + 1], contiguous(residual)), {-1}));
  }
  return cat(results, 0);
}

// Rows of channels and of pixels that divide into packs, and such that do not.
const SelfCheck gpu_check{"add_bias_and_residual",
                          "cuda",
                          {{2, 5, 7, 48}, {48}, {2, 5, 7, 48}, {2, 4, 8, 33}, {33}, {2, 4, 8, 33}},
                          &in_both_formats<&by_gpu>,
                          &in_both_formats<&by_aten>};

const Registration registration("add_bias_and_residual", [](const Tensor& like) -> std::string {
  return gpu::suits(like) ? verdict(gpu_check, like, "aten::sub") : "aten::sub";
});

bool alike(const Tensor& y, const Tensor& residual) {
  return shape_of(y) == shape_of(residual) && y.scalar_type() == residual.scalar_type() &&
         ((y.is_contiguous() && residual.is_contiguous()) || (is_channels_last(y) && is_channels_last(residual)));
}

}  // namespace

Tensor add_bias_and_residual(const Tensor& y, const Tensor& bias, const Tensor& residual) {
  if (adds_bias_and_residual(y) && y.numel() > 0 && alike(y, residual)) return by_gpu(y, bias, residual);
  return by_aten(y, bias, residual);
}

bool adds_bias_and_residual(const Tensor& like) { return gpu::suits(like) && trusted(gpu_check, like); }

}  // namespace catvton::ops
