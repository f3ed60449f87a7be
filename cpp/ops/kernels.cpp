#include "ops/kernels.h"

#include "torch_stable/tensor.h"

namespace catvton::ops {

bool suits_vectors(const Tensor& x) {
  return cpu_level() >= CpuLevel::avx2 && x.device().type() == torch::headeronly::DeviceType::CPU &&
         (x.scalar_type() == ScalarType::Float || x.scalar_type() == ScalarType::BFloat16) &&
         !torch_stable::grad_enabled();
}

bool is_channels_last(const Tensor& x) {
  if (x.dim() != 4) return false;
  const int64_t channels = x.size(1), height = x.size(2), width = x.size(3);
  return x.stride(1) == 1 && x.stride(3) == channels && x.stride(2) == width * channels &&
         x.stride(0) == height * width * channels;
}

}  // namespace catvton::ops
