#include "ops/group_norm/group_norm_kernel.h"
#include "ops/vectors_avx512.h"

namespace catvton::ops::kernels {
namespace {

// Of `vectors` x 16 neighbouring channels, which stay in registers over all pixels.
template <int vectors, class T, class Lanes>
void sums_of(const T* x, int64_t pixels, int64_t channels, const T* origin, float* sums, float* squares, Lanes lanes) {
  __m512 from[vectors], sum[vectors], square[vectors];
  for (int v = 0; v < vectors; ++v) {
    from[v] = load(origin + 16 * v, lanes);
    sum[v] = square[v] = _mm512_setzero_ps();
  }
  for (int64_t pixel = 0; pixel < pixels; ++pixel, x += channels) {
    for (int v = 0; v < vectors; ++v) {
      const __m512 d = _mm512_sub_ps(load(x + 16 * v, lanes), from[v]);
      sum[v] = _mm512_add_ps(sum[v], d);
      square[v] = _mm512_fmadd_ps(d, d, square[v]);
    }
  }
  for (int v = 0; v < vectors; ++v) {
    store(sums + 16 * v, lanes, sum[v]);
    store(squares + 16 * v, lanes, square[v]);
  }
}

template <class T>
void channel_sums(const T* x, int64_t pixels, int64_t channels, const T* origin, float* sums, float* squares) {
  int64_t c = 0;
  for (; c + 128 <= channels; c += 128) {
    sums_of<8>(x + c, pixels, channels, origin + c, sums + c, squares + c, AllLanes{});
  }
  if (c + 64 <= channels) {
    sums_of<4>(x + c, pixels, channels, origin + c, sums + c, squares + c, AllLanes{});
    c += 64;
  }
  for_each_vector(channels - c, [&](int64_t more, auto lanes) {
    const int64_t at = c + more;
    sums_of<1>(x + at, pixels, channels, origin + at, sums + at, squares + at, lanes);
  });
}

template <bool silu, class T>
void scale_and_shift(const T* x, T* y, int64_t pixels, int64_t channels, const float* scale, const float* offset) {
  const __m512 one = _mm512_set1_ps(1.0f);
  for (int64_t pixel = 0; pixel < pixels; ++pixel, x += channels, y += channels) {
    for_each_vector(channels, [&](int64_t c, auto lanes) {
      __m512 v = _mm512_fmadd_ps(load(x + c, lanes), load(scale + c, lanes), load(offset + c, lanes));
      if (silu) v = _mm512_div_ps(v, _mm512_add_ps(one, exp(_mm512_sub_ps(_mm512_setzero_ps(), v))));
      store(y + c, lanes, v);
    });
  }
}

template <class T>
void scale_and_shift(const void* x, void* y, int64_t pixels, int64_t channels, const float* scale, const float* offset,
                     bool silu) {
  const T* from = static_cast<const T*>(x);
  T* to = static_cast<T*>(y);
  silu ? scale_and_shift<true>(from, to, pixels, channels, scale, offset)
       : scale_and_shift<false>(from, to, pixels, channels, scale, offset);
}

}  // namespace

void channel_sums_avx512(const void* x, bool is_bfloat16, int64_t pixels, int64_t channels, const void* origin,
                         float* sums, float* squares) {
  if (is_bfloat16) {
    channel_sums(static_cast<const bfloat16*>(x), pixels, channels, static_cast<const bfloat16*>(origin), sums,
                 squares);
  } else {
    channel_sums(static_cast<const float*>(x), pixels, channels, static_cast<const float*>(origin), sums, squares);
  }
}

void scale_and_shift_avx512(const void* x, void* y, bool is_bfloat16, int64_t pixels, int64_t channels,
                            const float* scale, const float* offset, bool silu) {
  is_bfloat16 ? scale_and_shift<bfloat16>(x, y, pixels, channels, scale, offset, silu)
              : scale_and_shift<float>(x, y, pixels, channels, scale, offset, silu);
}

}  // namespace catvton::ops::kernels
