// GEGLU on a GPU: a thread takes neighbouring columns of one row. Torch-free.
#pragma once

#include <cmath>

#include "ops/gpu/numbers.h"
#include "ops/gpu/split.h"

namespace catvton::ops::gpu {

struct GegluArguments {
  const void* x;  // [rows, 2 columns]
  void* y;        // [rows, columns]
  Number number;
  int64_t rows, columns;
};

template <class T, int width>
struct Geglu {
  static constexpr const char* name = "geglu";
  const T* x;
  T* y;
  int64_t rows, columns;

  using Private = Nothing;
  static constexpr int phases = 1;

  CATVTON_HOST_DEVICE void phase(Phase<0>, const Thread& at, float*, Private&) const {
    const int64_t packs = columns / width;
    for (int64_t i = at.index(); i < rows * packs; i += at.stride()) {
      const Split place = split(i, packs);
      const int64_t column = place.remainder * width;
      const T* row = x + place.quotient * 2 * columns + column;
      float a[width], b[width];
      load(row, a);
      load(row + columns, b);
      // erfc, where others write 1 + erf: gelu's tail keeps its digits.
      for (int n = 0; n < width; ++n) a[n] *= 0.5f * b[n] * erfcf(-0.707106781f * b[n]);
      store(y + place.quotient * columns + column, a);
    }
  }
};

template <class Run>
void geglu(const Run& run, const GegluArguments& in) {
  for_number(in.number, [&](auto number) {
    using T = decltype(number);
    const T* x = static_cast<const T*>(in.x);
    T* y = static_cast<T*>(in.y);
    for_width<T>(fits_packs<T>(in.columns, x, y), [&](auto width) {
      constexpr int numbers = decltype(width)::value;
      run(Geglu<T, numbers>{x, y, in.rows, in.columns}, one_thread_each(in.rows * in.columns / numbers));
    });
  });
}

void geglu_cuda(const GegluArguments& in, void* stream);  // geglu.cu

}  // namespace catvton::ops::gpu
