#include "ops/vectors_avx512.h"
// Behind the vectors.
#include "ops/quantize/quantize_vectors.h"

catvton::ops::kernels::Range catvton::ops::kernels::range_of_avx512(const void* x, bool is_bfloat16, int64_t count) {
  return range_of(x, is_bfloat16, count);
}

void catvton::ops::kernels::quantize_avx512(const void* x, bool is_bfloat16, int64_t count, float inverse,
                                            float zero_point, uint8_t* y) {
  quantize(x, is_bfloat16, count, inverse, zero_point, y);
}
