#include "ops/vectors_avx2.h"
// Behind the vectors.
#include "ops/group_norm/group_norm_vectors.h"

const catvton::ops::kernels::GroupNorm catvton::ops::kernels::group_norm_avx2{&channel_sums, &scale_and_shift};
