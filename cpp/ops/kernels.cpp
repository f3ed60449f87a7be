#include "ops/kernels.h"

#include "torch_stable/tensor.h"

namespace catvton::ops {

bool suits_vectors(const Tensor& x) {
  return cpu_level() >= CpuLevel::avx2 && x.device().type() == torch::headeronly::DeviceType::CPU &&
         (x.scalar_type() == ScalarType::Float || x.scalar_type() == ScalarType::BFloat16) &&
         !torch_stable::grad_enabled();
}

bool pictures_are_channels_last(const Tensor& x) {
  if (x.dim() != 4) return false;
  const int64_t channels = x.size(1), width = x.size(3);
  return x.stride(1) == 1 && x.stride(3) == channels && x.stride(2) == width * channels;
}

bool is_channels_last(const Tensor& x) {
  return pictures_are_channels_last(x) && (x.size(0) == 1 || x.stride(0) == x.size(2) * x.stride(2));
}

}  // namespace catvton::ops
