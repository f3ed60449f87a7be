// Torch-free.
#pragma once

#include <cstdint>

namespace catvton::ops::kernels {

// x: [rows, 2 columns] -> y: [rows, columns], in float32 or bfloat16 memory.
void geglu_avx512(const void* x, void* y, bool is_bfloat16, int64_t rows, int64_t columns);

}  // namespace catvton::ops::kernels
