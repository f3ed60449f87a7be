// What the two AVX-512 kernels have in common; for their files only.
#pragma once

#include <immintrin.h>
#include <stdint.h>

namespace catvton::ops::attention_cpu {
namespace {

struct Avx512 {
  using Vec = __m512;
  static constexpr int kLanes = 16, kRows = 8;

  static Vec to_float(Vec sum) { return sum; }
  static Vec zero() { return _mm512_setzero_ps(); }
  static Vec set(float x) { return _mm512_set1_ps(x); }
  static Vec load(const float* from) { return _mm512_load_ps(from); }
  static void store(float* to, Vec x) { _mm512_store_ps(to, x); }
  static Vec broadcast(const float* from) { return _mm512_set1_ps(*from); }
  static Vec add(Vec x, Vec y) { return _mm512_add_ps(x, y); }
  static Vec sub(Vec x, Vec y) { return _mm512_sub_ps(x, y); }
  static Vec mul(Vec x, Vec y) { return _mm512_mul_ps(x, y); }
  static Vec div(Vec x, Vec y) { return _mm512_div_ps(x, y); }
  static Vec max(Vec x, Vec y) { return _mm512_max_ps(x, y); }
  static Vec fmsub(Vec x, Vec y, Vec z) { return _mm512_fmsub_ps(x, y, z); }
  // NaN is above everything.
  static __mmask16 above(Vec x, float limit) { return _mm512_cmp_ps_mask(x, set(limit), _CMP_NLE_UQ); }
  static bool any_above(Vec x, float limit) { return above(x, limit) != 0; }
  static Vec where_above(Vec x, float limit, Vec then, Vec otherwise) {
    return _mm512_mask_mov_ps(otherwise, above(x, limit), then);
  }

  // x - floor(x); 0 of an infinity. With scalef, which takes the floor of its exponent, that is all exp2 needs.
  static Vec fraction(Vec x) { return _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC); }

  // A matrix of 16 x 16 words turned: three rounds of exchanges between neighbours, of 1 and 2 words, then of quarters.
  static void turn(Vec (&x)[16]) {
    Vec y[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
      y[i] = _mm512_unpacklo_ps(x[i], x[i + 1]);
      y[i + 1] = _mm512_unpackhi_ps(x[i], x[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
      x[i] = _mm512_shuffle_ps(y[i], y[i + 2], 0x44);
      x[i + 1] = _mm512_shuffle_ps(y[i], y[i + 2], 0xee);
      x[i + 2] = _mm512_shuffle_ps(y[i + 1], y[i + 3], 0x44);
      x[i + 3] = _mm512_shuffle_ps(y[i + 1], y[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const Vec a = _mm512_shuffle_f32x4(x[i], x[i + 4], 0x88), b = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0x88);
      const Vec c = _mm512_shuffle_f32x4(x[i], x[i + 4], 0xdd), d = _mm512_shuffle_f32x4(x[i + 8], x[i + 12], 0xdd);
      y[i] = _mm512_shuffle_f32x4(a, b, 0x88);
      y[i + 8] = _mm512_shuffle_f32x4(a, b, 0xdd);
      y[i + 4] = _mm512_shuffle_f32x4(c, d, 0x88);
      y[i + 12] = _mm512_shuffle_f32x4(c, d, 0xdd);
    }
#pragma GCC unroll 16
    for (int i = 0; i < 16; ++i) x[i] = y[i];
  }

  static __mmask16 first(int count) { return static_cast<__mmask16>((1u << count) - 1); }
};

}  // namespace
}  // namespace catvton::ops::attention_cpu
