#include "ops/geglu/geglu.h"

#include "ops/geglu/geglu_kernel.h"
#include "ops/kernels.h"
#include "ops/registry.h"
#include "torch_stable/ops.h"
#include "torch_stable/parallel.h"
#include "torch_stable/tensor.h"

namespace catvton::ops {
namespace {

const Registration registration("geglu", [](const Tensor& like) -> std::string {
  return suits_avx512(like) ? "avx512" : "aten::gelu";
});

}  // namespace

Tensor geglu(const Tensor& projection) {
#ifdef CATVTON_AVX512
  if (suits_avx512(projection) && projection.is_contiguous() && projection.numel() > 0) {
    Ints shape = shape_of(projection);
    const int64_t columns = shape.back() / 2, rows = projection.numel() / shape.back();
    shape.back() = columns;
    Tensor y = torch::stable::new_empty(projection, shape);
    const bool is_bfloat16 = projection.scalar_type() == ScalarType::BFloat16;
    const int64_t size = is_bfloat16 ? 2 : 4;
    const char* from = static_cast<const char*>(projection.data_ptr());
    char* into = static_cast<char*>(y.data_ptr());
    torch_stable::parallel_for(0, rows, 16, [&](int64_t first, int64_t last) {
      kernels::geglu_avx512(from + first * 2 * columns * size, into + first * columns * size, is_bfloat16, last - first,
                            columns);
    });
    return y;
  }
#endif
  const auto halves = chunk(projection, 2, -1);
  return mul(halves[0], gelu(halves[1]));
}

}  // namespace catvton::ops
