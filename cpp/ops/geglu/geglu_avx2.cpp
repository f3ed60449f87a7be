#include "ops/vectors_avx2.h"
// Behind the vectors.
#include "ops/geglu/geglu_vectors.h"

void catvton::ops::kernels::geglu_avx2(const void* x, void* y, bool is_bfloat16, int64_t rows, int64_t columns) {
  geglu(x, y, is_bfloat16, rows, columns);
}
