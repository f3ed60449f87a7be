#include "ops/add_and_norm/add_and_norm.h"

#include "ops/add_and_norm/add_and_norm_gpu.h"
#include "ops/add_and_norm/add_and_norm_kernel.h"
#include "ops/gpu/choice.h"
#include "ops/kernels.h"
#include "ops/registry.h"
#include "ops/selfcheck.h"
#include "torch_stable/ops.h"
#include "torch_stable/parallel.h"

namespace catvton::ops {
namespace {

using Pair = std::pair<Tensor, Tensor>;

Pair by_aten(const Tensor& given, const OptionalTensor& residual, const Affine& first, const Affine& second,
             double eps) {
  const Tensor h = residual ? add(given, *residual) : given;
  const Tensor sum = add(h, layer_norm(h, first.weight, first.bias, eps));
  return {sum, layer_norm(sum, second.weight, second.bias, eps)};
}

Pair by_gpu(const Tensor& h, const OptionalTensor& residual, const Affine& first, const Affine& second, double eps) {
  Tensor sum = torch::stable::empty_like(h), normalised = torch::stable::empty_like(h);
  auto alike = [&](const Tensor& t) { return contiguous(to(t, h.scalar_type())); };
  const Tensor w1 = alike(first.weight), b1 = alike(first.bias), w2 = alike(second.weight), b2 = alike(second.bias);
  const int64_t columns = h.size(-1);
  const gpu::AddAndNormArguments arguments{h.data_ptr(),
                                           residual ? residual->data_ptr() : nullptr,
                                           w1.data_ptr(),
                                           b1.data_ptr(),
                                           w2.data_ptr(),
                                           b2.data_ptr(),
                                           sum.data_ptr(),
                                           normalised.data_ptr(),
                                           gpu::number_of(h.scalar_type()),
                                           h.numel() / columns,
                                           columns,
                                           static_cast<float>(eps)};
  gpu::run(h, arguments, CATVTON_CUDA_KERNEL(gpu::add_and_norm_cuda),
           [](const gpu::AddAndNormArguments& in) { gpu::add_and_norm(gpu::Emulate{}, in); });
  return {sum, normalised};
}

// Problems of h, residual, two weights and biases -> both results of each, with the residual and without it.
template <Pair (*function)(const Tensor&, const OptionalTensor&, const Affine&, const Affine&, double)>
Tensor checked_with_residual(const std::vector<Tensor>& in) {
  std::vector<Tensor> results;
  for (size_t i = 0; i < in.size(); i += 6) {
    for (const OptionalTensor& residual : {OptionalTensor{}, OptionalTensor{in[i + 1]}}) {
      const auto [sum, normalised] = function(in[i], residual, {in[i + 2], in[i + 3]}, {in[i + 4], in[i + 5]}, 1e-5);
      results.push_back(reshape(sum, {-1}));
      results.push_back(reshape(normalised, {-1}));
    }
  }
  return cat(results, 0);
}

// Rows that divide into packs, and rows that do not.
const SelfCheck gpu_check{"add_and_norm",
                          "cuda",
                          {{5, 320}, {5, 320}, {320}, {320}, {320}, {320}, {5, 77}, {5, 77}, {77}, {77}, {77}, {77}},
                          &checked_with_residual<&by_gpu>,
                          &checked_with_residual<&by_aten>};

#ifdef CATVTON_X86_KERNELS

Pair by_kernel(const Tensor& h, const Affine& first, const Affine& second, double eps) {
  const int64_t columns = first.weight.size(0);
  Tensor sum = torch::stable::empty_like(h), normalised = torch::stable::empty_like(h);
  auto exact = [](const Tensor& t) { return contiguous(to(t, ScalarType::Float)); };
  const Tensor w1 = exact(first.weight), b1 = exact(first.bias), w2 = exact(second.weight), b2 = exact(second.bias);
  const kernels::AffineFactors one{w1.const_data_ptr<float>(), b1.const_data_ptr<float>()};
  const kernels::AffineFactors two{w2.const_data_ptr<float>(), b2.const_data_ptr<float>()};
  const bool is_bfloat16 = h.scalar_type() == ScalarType::BFloat16;
  const int64_t row = columns * (is_bfloat16 ? 2 : 4);
  const char* from = static_cast<const char*>(h.data_ptr());
  char *into_sum = static_cast<char*>(sum.data_ptr()), *into = static_cast<char*>(normalised.data_ptr());
  torch_stable::parallel_for(0, h.numel() / columns, 16, [&](int64_t begin, int64_t end) {
    widest(kernels::add_and_norm_avx2, kernels::add_and_norm_avx512)(from + begin * row, into_sum + begin * row,
                                                                     into + begin * row, is_bfloat16, end - begin,
                                                                     columns, one, two, static_cast<float>(eps));
  });
  return {sum, normalised};
}

Pair without_residual(const Tensor& h, const Affine& first, const Affine& second, double eps) {
  return by_aten(h, {}, first, second, eps);
}

// h, two weights and biases -> both results, one after the other.
template <Pair (*function)(const Tensor&, const Affine&, const Affine&, double)>
Tensor checked(const std::vector<Tensor>& in) {
  const auto [sum, normalised] = function(in[0], {in[1], in[2]}, {in[3], in[4]}, 1e-5);
  return cat({reshape(sum, {-1}), reshape(normalised, {-1})}, 0);
}

const SelfCheck on_avx2{
    "add_and_norm", "avx2", {{5, 77}, {77}, {77}, {77}, {77}}, &checked<&by_kernel>, &checked<&without_residual>};
const SelfCheck on_avx512 = on_avx2.of("avx512");

#endif

const Registration registration("add_and_norm", [](const Tensor& like) -> std::string {
  if (gpu::suits(like)) return verdict(gpu_check, like, "aten::layer_norm");
#ifdef CATVTON_X86_KERNELS
  if (suits_vectors(like)) return verdict(widest(on_avx2, on_avx512), like, "aten::layer_norm");
#endif
  return "aten::layer_norm";
});

}  // namespace

bool adds_residual_and_norms(const Tensor& like) { return gpu::suits(like) && trusted(gpu_check, like); }

std::pair<Tensor, Tensor> add_and_norm(const Tensor& h, const OptionalTensor& residual, const Affine& first,
                                       const Affine& second, double eps) {
  if (adds_residual_and_norms(h) && h.is_contiguous() && h.numel() > 0 && h.size(-1) <= gpu::longest_shared_row &&
      (!residual || (residual->is_contiguous() && residual->scalar_type() == h.scalar_type()))) {
    return by_gpu(h, residual, first, second, eps);
  }
#ifdef CATVTON_X86_KERNELS
  if (suits_vectors(h) && h.is_contiguous() && h.numel() > 0 && first.weight.size(0) <= kernels::longest_row &&
      trusted(widest(on_avx2, on_avx512), h)) {
    return by_kernel(residual ? add(h, *residual) : h, first, second, eps);
  }
#endif
  return by_aten(h, residual, first, second, eps);
}

}  // namespace catvton::ops
