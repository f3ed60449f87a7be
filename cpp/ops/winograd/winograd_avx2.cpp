#include "ops/vectors_avx2.h"
// Behind the vectors.
#include "ops/winograd/winograd_vectors.h"

namespace catvton::ops::winograd {

// Sixteen registers: 6 x 2 of sums, two of weights, one of a tile's.
const Kernel avx2_float32 = Winograd<Floats<float, 6, 2>>::kernel(48);
const Kernel avx2_wide_bfloat16 = Winograd<Floats<bfloat16, 6, 2>>::kernel(48);

}  // namespace catvton::ops::winograd
