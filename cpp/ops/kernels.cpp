#include "ops/kernels.h"

namespace catvton::ops {

bool has_avx512() {
#if defined(CATVTON_AVX512) && (defined(__GNUC__) || defined(__clang__))
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return has;
#else
  return false;
#endif
}

bool suits_avx512(const Tensor& x) {
  return has_avx512() && x.device().type() == torch::headeronly::DeviceType::CPU &&
         (x.scalar_type() == ScalarType::Float || x.scalar_type() == ScalarType::BFloat16) &&
         !aoti_torch_grad_mode_is_enabled();
}

bool is_channels_last(const Tensor& x) {
  if (x.dim() != 4) return false;
  const int64_t channels = x.size(1), height = x.size(2), width = x.size(3);
  return x.stride(1) == 1 && x.stride(3) == channels && x.stride(2) == width * channels &&
         x.stride(0) == height * width * channels;
}

}  // namespace catvton::ops
