// Torch-free.
#pragma once

#include <cstdint>

namespace catvton::ops::kernels {

constexpr int64_t longest_row = 4096;

struct AffineFactors {
  const float *weight, *bias;
};

// h, sum, normalised: [rows, columns] in float32 or bfloat16 memory, columns <= longest_row.
using AddAndNorm = void(const void* h, void* sum, void* normalised, bool is_bfloat16, int64_t rows, int64_t columns,
                        AffineFactors first, AffineFactors second, float eps);

AddAndNorm add_and_norm_avx2, add_and_norm_avx512;

}  // namespace catvton::ops::kernels
