// Quantising over the vectors of the file that includes this one.
#include "ops/quantize/quantize_kernel.h"

namespace catvton::ops::kernels {
namespace {

template <class T>
Range range_of(const T* x, int64_t count) {
  const Vector zero = broadcast(0.0f);
  Vector low = zero, high = zero, nothing = zero;  // 0 times a number, unless that is not finite
  for_each_vector(count, [&](int64_t i, auto some) {
    const Vector numbers = load(x + i, some);  // lanes that are not there hold zeros
    low = min(low, numbers);
    high = max(high, numbers);
    nothing = fma(numbers, zero, nothing);
  });
  float lows[lanes], highs[lanes];
  store(lows, AllLanes{}, low);
  store(highs, AllLanes{}, high);
  const float check = sum_of_lanes(nothing);  // 0 or NaN
  Range range{check, check};
  for (int64_t lane = 0; lane < lanes && check == 0; ++lane) {
    range.low = lows[lane] < range.low ? lows[lane] : range.low;
    range.high = highs[lane] > range.high ? highs[lane] : range.high;
  }
  return range;
}

Range range_of(const void* x, bool is_bfloat16, int64_t count) {
  return is_bfloat16 ? range_of(static_cast<const bfloat16*>(x), count) : range_of(static_cast<const float*>(x), count);
}

template <class T>
void quantize(const T* x, int64_t count, Vector inverse, Vector zero_point, uint8_t* y) {
  for_each_vector(count, [&](int64_t i, auto some) {
    store(y + i, some, clamp(round(load(x + i, some) * inverse) + zero_point, 0.0f, 255.0f));
  });
}

void quantize(const void* x, bool is_bfloat16, int64_t count, float inverse, float zero_point, uint8_t* y) {
  const Vector factor = broadcast(inverse), offset = broadcast(zero_point);
  is_bfloat16 ? quantize(static_cast<const bfloat16*>(x), count, factor, offset, y)
              : quantize(static_cast<const float*>(x), count, factor, offset, y);
}

}  // namespace
}  // namespace catvton::ops::kernels
