#include "ops/vectors_avx2.h"
// Behind the vectors.
#include "ops/winograd/winograd_vectors.h"

namespace catvton::ops::winograd {

// Sixteen registers: 6 x 2 of sums, two of weights, one of a tile's.
const Kernel avx2_float32 = kernel<Floats<float, 6, 2>>(48 * 16);
const Kernel avx2_wide_bfloat16 = kernel<Floats<bfloat16, 6, 2>>(48 * 16);

}  // namespace catvton::ops::winograd
