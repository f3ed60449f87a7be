// float32 attention whose scores are products of eight-bit integers.
#include "ops/attention/avx512_float32.h"
#include "ops/attention/flash.h"
#include "ops/attention/int8_scores.h"

namespace catvton::ops::attention_cpu {

const Kernel avx512_vnni_float32 = Flash<Float32, Int8Scores<Float32>>::kernel;

}  // namespace catvton::ops::attention_cpu
