// Torch-free.
#pragma once

#include <cstdint>

namespace catvton::ops::kernels {

struct Range {
  float low, high;  // both NaN where a number is not finite
};

// x: `count` numbers in float32 or bfloat16 memory; the smallest and the largest of them, and of 0.
using RangeOf = Range(const void* x, bool is_bfloat16, int64_t count);

// y = round(x * inverse) + zero_point, within 0 to 255; ties to even.
using Quantize = void(const void* x, bool is_bfloat16, int64_t count, float inverse, float zero_point, uint8_t* y);

RangeOf range_of_plain, range_of_avx2, range_of_avx512;
Quantize quantize_plain, quantize_avx2, quantize_avx512;

}  // namespace catvton::ops::kernels
