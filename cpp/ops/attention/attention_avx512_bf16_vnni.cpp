// bfloat16 attention whose scores are products of eight-bit integers.
#include "ops/attention/avx512_bf16.h"
#include "ops/attention/flash.h"
#include "ops/attention/int8_scores.h"

namespace catvton::ops::attention_cpu {

const Kernel avx512_vnni_bfloat16 = Flash<BFloat16, Int8Scores<BFloat16>>::kernel;

}  // namespace catvton::ops::attention_cpu
