#include "ops/vectors_avx512.h"
// Behind the vectors.
#include "ops/add_and_norm/add_and_norm_vectors.h"

void catvton::ops::kernels::add_and_norm_avx512(const void* h, void* sum, void* normalised, bool is_bfloat16,
                                                int64_t rows, int64_t columns, AffineFactors first,
                                                AffineFactors second, float eps) {
  add_and_norm(h, sum, normalised, is_bfloat16, rows, columns, first, second, eps);
}
