#include "ops/geglu/geglu.h"

#include "ops/geglu/geglu_gpu.h"
#include "ops/geglu/geglu_kernel.h"
#include "ops/gpu/choice.h"
#include "ops/kernels.h"
#include "ops/registry.h"
#include "ops/selfcheck.h"
#include "torch_stable/ops.h"
#include "torch_stable/parallel.h"
#include "torch_stable/tensor.h"

namespace catvton::ops {
namespace {

// One input, the projection.
Tensor by_aten(const std::vector<Tensor>& inputs) {
  const auto halves = chunk(inputs[0], 2, -1);
  return mul(halves[0], gelu(halves[1]));
}

#ifdef CATVTON_X86_KERNELS

Tensor by_kernel(const std::vector<Tensor>& inputs) {
  const Tensor& projection = inputs[0];
  Ints shape = shape_of(projection);
  const int64_t columns = shape.back() / 2, rows = projection.numel() / shape.back();
  shape.back() = columns;
  Tensor y = torch::stable::new_empty(projection, shape);
  const bool is_bfloat16 = projection.scalar_type() == ScalarType::BFloat16;
  const int64_t size = is_bfloat16 ? 2 : 4;
  const char* from = static_cast<const char*>(projection.data_ptr());
  char* into = static_cast<char*>(y.data_ptr());
  torch_stable::parallel_for(0, rows, 16, [&](int64_t first, int64_t last) {
    widest(kernels::geglu_avx2, kernels::geglu_avx512)(from + first * 2 * columns * size, into + first * columns * size,
                                                       is_bfloat16, last - first, columns);
  });
  return y;
}

const SelfCheck on_avx2{"geglu", "avx2", {{3, 90}}, &by_kernel, &by_aten};
const SelfCheck on_avx512 = on_avx2.of("avx512");

#endif

Tensor by_gpu(const std::vector<Tensor>& inputs) {
  const Tensor& projection = inputs[0];
  Ints shape = shape_of(projection);
  const int64_t columns = shape.back() / 2, rows = projection.numel() / shape.back();
  shape.back() = columns;
  Tensor y = torch::stable::new_empty(projection, shape);
  const gpu::GegluArguments arguments{projection.data_ptr(), y.data_ptr(), gpu::number_of(projection.scalar_type()),
                                      rows, columns};
  gpu::run(projection, arguments, CATVTON_CUDA_KERNEL(gpu::geglu_cuda),
           [](const gpu::GegluArguments& in) { gpu::geglu(gpu::Emulate{}, in); });
  return y;
}

// Of both inputs, one after the other: rows that divide into packs, and rows that do not.
template <Tensor (*function)(const std::vector<Tensor>&)>
Tensor of_both(const std::vector<Tensor>& inputs) {
  return cat({reshape(function({inputs[0]}), {-1}), reshape(function({inputs[1]}), {-1})}, 0);
}

const SelfCheck gpu_check{"geglu", "cuda", {{3, 96}, {3, 90}}, &of_both<&by_gpu>, &of_both<&by_aten>};

const Registration registration("geglu", [](const Tensor& like) -> std::string {
  if (gpu::suits(like)) return verdict(gpu_check, like, "aten::gelu");
#ifdef CATVTON_X86_KERNELS
  if (suits_vectors(like)) return verdict(widest(on_avx2, on_avx512), like, "aten::gelu");
#endif
  return "aten::gelu";
});

}  // namespace

Tensor geglu(const Tensor& projection) {
  if (gpu::suits(projection) && projection.is_contiguous() && projection.numel() > 0 &&
      trusted(gpu_check, projection)) {
    return by_gpu({projection});
  }
#ifdef CATVTON_X86_KERNELS
  if (suits_vectors(projection) && projection.is_contiguous() && projection.numel() > 0 &&
      trusted(widest(on_avx2, on_avx512), projection)) {
    return by_kernel({projection});
  }
#endif
  return by_aten({projection});
}

}  // namespace catvton::ops
