// float32 attention with AVX-512.
#include "ops/attention/avx512_float32.h"
#include "ops/attention/exact_scores.h"
#include "ops/attention/flash.h"

namespace catvton::ops::attention_cpu {

const Kernel avx512_float32 = Flash<Float32, ExactScores<Float32>>::kernel;

}  // namespace catvton::ops::attention_cpu
