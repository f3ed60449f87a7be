// Torch-free.
#pragma once

#include <cstdint>

namespace catvton::ops::kernels {

// x: [rows, 2 columns] -> y: [rows, columns], in float32 or bfloat16 memory.
using Geglu = void(const void* x, void* y, bool is_bfloat16, int64_t rows, int64_t columns);

Geglu geglu_avx2, geglu_avx512;

}  // namespace catvton::ops::kernels
