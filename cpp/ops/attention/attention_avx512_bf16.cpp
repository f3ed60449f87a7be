// bfloat16 attention with AVX512-BF16.
#include "ops/attention/avx512_bf16.h"
#include "ops/attention/exact_scores.h"
#include "ops/attention/flash.h"

namespace catvton::ops::attention_cpu {

const Kernel avx512_bfloat16 = Flash<BFloat16, ExactScores<BFloat16>>::kernel;

}  // namespace catvton::ops::attention_cpu
