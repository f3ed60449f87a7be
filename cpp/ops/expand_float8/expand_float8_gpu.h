// Eight-bit weights to a wider dtype on a GPU: a thread takes neighbouring weights of one output channel. Torch-free.
#pragma once

#include "ops/gpu/numbers.h"
#include "ops/gpu/split.h"

namespace catvton::ops::gpu {

// e4m3 without infinities ("fn", arXiv 2209.05433): a sign, four bits of exponent about 7, three of mantissa; all ones are
// NaN.
struct Float8 {
  uint8_t bits;
};

CATVTON_HOST_DEVICE inline float to_float(Float8 x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x80) << 24, magnitude = x.bits & 0x7f;
  if (magnitude == 0x7f) return float_of(0x7fc00000);
  // Exponent and mantissa at a float's place are 2^-120 of the value (127 - 7), subnormal or not.
  return float_of(bits_of(float_of(magnitude << 20) * 0x1p120f) | sign);
}

struct ExpandFloat8Arguments {
  const void* values;  // e4m3 [rows, columns]
  const float* scale;  // [rows]
  void* weights;       // [rows, columns]
  Number number;       // of the weights
  int64_t rows, columns;
};

template <class T, int width>
struct ExpandFloat8 {
  static constexpr const char* name = "expand_float8";
  const Float8* values;
  const float* scale;
  T* weights;
  int64_t rows, columns;

  using Private = Nothing;
  static constexpr int phases = 1;

  CATVTON_HOST_DEVICE void phase(Phase<0>, const Thread& at, float*, Private&) const {
    const int64_t packs = columns / width;
    for (int64_t i = at.index(); i < rows * packs; i += at.stride()) {
      const float factor = scale[split(i, packs).quotient];
      float weight[width];
      load(values + i * width, weight);
      for (int n = 0; n < width; ++n) weight[n] *= factor;
      store(weights + i * width, weight);
    }
  }
};

template <class Run>
void expand_float8(const Run& run, const ExpandFloat8Arguments& in) {
  for_number(in.number, [&](auto number) {
    using T = decltype(number);
    const Float8* values = static_cast<const Float8*>(in.values);
    T* weights = static_cast<T*>(in.weights);
    for_width<T>(fits_packs<T>(in.columns, values, weights), [&](auto width) {
      constexpr int numbers = decltype(width)::value;
      run(ExpandFloat8<T, numbers>{values, in.scale, weights, in.rows, in.columns},
          one_thread_each(in.rows * in.columns / numbers));
    });
  });
}

void expand_float8_cuda(const ExpandFloat8Arguments& in, void* stream);  // expand_float8.cu

}  // namespace catvton::ops::gpu
