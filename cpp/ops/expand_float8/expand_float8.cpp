#include "ops/expand_float8/expand_float8.h"

#include <stdexcept>

#include "ops/expand_float8/expand_float8_gpu.h"
#include "ops/gpu/choice.h"
#include "ops/registry.h"
#include "ops/selfcheck.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::ops {
namespace {

Tensor by_aten(const Tensor& values, const Tensor& scale, ScalarType dtype) {
  return mul_into(to(values, dtype), to(scale, dtype));
}

Tensor by_gpu(const Tensor& values, const Tensor& scale, ScalarType dtype) {
  Tensor weights = torch::stable::empty(shape_of(values), dtype, std::nullopt, values.device());
  const Tensor factors = contiguous(scale);
  const int64_t rows = values.size(0);
  const gpu::ExpandFloat8Arguments arguments{
      values.data_ptr(),    factors.const_data_ptr<float>(), weights.data_ptr(), gpu::number_of(dtype), rows,
      values.numel() / rows};
  gpu::run(values, arguments, CATVTON_CUDA_KERNEL(gpu::expand_float8_cuda),
           [](const gpu::ExpandFloat8Arguments& in) { gpu::expand_float8(gpu::Emulate{}, in); });
  return weights;
}

// Problems of values and scale.
template <Tensor (*function)(const Tensor&, const Tensor&, ScalarType), bool exact>
Tensor checked(const std::vector<Tensor>& in) {
  std::vector<Tensor> results;
  for (size_t i = 0; i < in.size(); i += 2) {
    const Tensor values = to(in[i], ScalarType::Float8_e4m3fn);
    const Tensor scale = exact ? to(in[i + 1], ScalarType::Float) : in[i + 1];
    results.push_back(reshape(function(values, scale, in[i].scalar_type()), {-1}));
  }
  return cat(results, 0);
}

// Rows that divide into packs, and rows that do not.
const SelfCheck gpu_check{"expand_float8",
                          "cuda",
                          {{9, 16, 3, 3}, {9, 1, 1, 1}, {7, 33}, {7, 1}},
                          &checked<&by_gpu, true>,
                          &checked<&by_aten, false>};

const Registration registration("expand_float8", [](const Tensor& like) -> std::string {
  return gpu::suits(like) ? verdict(gpu_check, like, "aten::mul_") : "aten::mul_";
});

}  // namespace

Tensor expand_float8(const Tensor& values, const Tensor& scale, ScalarType dtype) {
  if (values.scalar_type() != ScalarType::Float8_e4m3fn || scale.scalar_type() != ScalarType::Float) {
    throw std::invalid_argument("expand_float8: expected values in float8_e4m3fn and a scale in float32, got " +
                                describe(values) + " and " + describe(scale));
  }
  Ints factors(values.dim(), 1);
  if (!factors.empty()) factors[0] = values.size(0);
  check_shape("scale", scale, factors);
  const Tensor like = torch::stable::empty(Ints{0}, dtype, std::nullopt, values.device());
  if (gpu::suits(like) && values.is_contiguous() && values.numel() > 0 && values.dim() > 0 &&
      trusted(gpu_check, like)) {
    return by_gpu(values, scale, dtype);
  }
  return by_aten(values, scale, dtype);
}

}  // namespace catvton::ops
