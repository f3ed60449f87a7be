// GroupNorm's passes over the vectors of the file that includes this one.
#include "ops/group_norm/group_norm_kernel.h"

namespace catvton::ops::kernels {
namespace {

// Of `vectors` neighbouring vectors of channels, which stay in registers over all pixels.
template <int vectors, class T, class Lanes>
void sums_of(const T* x, int64_t pixels, int64_t channels, const T* origin, float* sums, float* squares, Lanes some) {
  Vector from[vectors], sum[vectors], square[vectors];
  for (int v = 0; v < vectors; ++v) {
    from[v] = load(origin + lanes * v, some);
    sum[v] = square[v] = broadcast(0.0f);
  }
  for (int64_t pixel = 0; pixel < pixels; ++pixel, x += channels) {
    for (int v = 0; v < vectors; ++v) {
      const Vector d = load(x + lanes * v, some) - from[v];
      sum[v] = sum[v] + d;
      square[v] = fma(d, d, square[v]);
    }
  }
  for (int v = 0; v < vectors; ++v) {
    store(sums + lanes * v, some, sum[v]);
    store(squares + lanes * v, some, square[v]);
  }
}

template <class T>
void channel_sums(const T* x, int64_t pixels, int64_t channels, const T* origin, float* sums, float* squares) {
  constexpr int64_t many = vectors_at_once * lanes, half = many / 2;
  int64_t c = 0;
  for (; c + many <= channels; c += many) {
    sums_of<vectors_at_once>(x + c, pixels, channels, origin + c, sums + c, squares + c, AllLanes{});
  }
  if (c + half <= channels) {
    sums_of<vectors_at_once / 2>(x + c, pixels, channels, origin + c, sums + c, squares + c, AllLanes{});
    c += half;
  }
  for_each_vector(channels - c, [&](int64_t more, auto some) {
    const int64_t at = c + more;
    sums_of<1>(x + at, pixels, channels, origin + at, sums + at, squares + at, some);
  });
}

template <bool silu, class T>
void scale_and_shift(const T* x, T* y, int64_t pixels, int64_t channels, const float* scale, const float* offset) {
  const Vector one = broadcast(1.0f), zero = broadcast(0.0f);
  for (int64_t pixel = 0; pixel < pixels; ++pixel, x += channels, y += channels) {
    for_each_vector(channels, [&](int64_t c, auto some) {
      Vector v = fma(load(x + c, some), load(scale + c, some), load(offset + c, some));
      if (silu) v = v / (one + exp(zero - v));
      store(y + c, some, v);
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

void channel_sums(const void* x, bool is_bfloat16, int64_t pixels, int64_t channels, const void* origin, float* sums,
                  float* squares) {
  if (is_bfloat16) {
    channel_sums(static_cast<const bfloat16*>(x), pixels, channels, static_cast<const bfloat16*>(origin), sums,
                 squares);
  } else {
    channel_sums(static_cast<const float*>(x), pixels, channels, static_cast<const float*>(origin), sums, squares);
  }
}

void scale_and_shift(const void* x, void* y, bool is_bfloat16, int64_t pixels, int64_t channels, const float* scale,
                     const float* offset, bool silu) {
  is_bfloat16 ? scale_and_shift<bfloat16>(x, y, pixels, channels, scale, offset, silu)
              : scale_and_shift<float>(x, y, pixels, channels, scale, offset, silu);
}

}  // namespace
}  // namespace catvton::ops::kernels
