#include "ops/gpu/choice.h"

#include <atomic>

#include "torch_stable/tensor.h"

namespace catvton::ops::gpu {
namespace {

using torch::headeronly::DeviceType;

#ifdef CATVTON_WITH_CUDA
constexpr bool built = true;
#else
constexpr bool built = false;
#endif

std::atomic<bool> emulation = false;

}  // namespace

void set_emulation(bool on) { emulation = on; }

bool suits(const Tensor& x) {
  const DeviceType device = x.device().type();
  const bool here = device == DeviceType::CUDA ? built : device == DeviceType::CPU && emulation;
  if (!here || torch_stable::grad_enabled()) return false;
  const ScalarType dtype = x.scalar_type();
  return dtype == ScalarType::Float || dtype == ScalarType::Half || dtype == ScalarType::BFloat16;
}

Number number_of(ScalarType dtype) {
  switch (dtype) {
    case ScalarType::Float:
      return Number::float32;
    case ScalarType::Half:
      return Number::float16;
    case ScalarType::BFloat16:
      return Number::bfloat16;
    default:
      throw std::logic_error("no kernel for " + to_text(dtype));
  }
}

}  // namespace catvton::ops::gpu
