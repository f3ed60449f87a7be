#include "ops/vectors_avx512.h"
// Behind the vectors.
#include "ops/winograd/winograd_vectors.h"

namespace catvton::ops::winograd {

// 32 registers: 6 x 4 of sums, four of weights, one of a tile's.
const Kernel avx512_float32 = kernel<Floats<float, 6, 4>>(48 * 16);
const Kernel avx512_wide_bfloat16 = kernel<Floats<bfloat16, 6, 4>>(48 * 16);

}  // namespace catvton::ops::winograd
