// Sixteen float32 lanes from and to float32 or bfloat16 memory: for *_avx512.cpp files alone. Everything is static, so that
// no code compiled for AVX-512 can be picked by the linker for another file. vectors_avx2.h has the same names; + - * /
// between vectors are the compiler's (GCC and Clang).
#pragma once

#include <immintrin.h>

#include "ops/bfloat16.h"

namespace catvton::ops {

using Vector = __m512;
constexpr int64_t lanes = 16;
constexpr int vectors_at_once = 8;  // of 32 registers, where three are needed for each

// What the last vector of a row holds, where it is not full. (Masked stores of 16 bits are slow on AMD's processors.)
using SomeLanes = __mmask16;
static inline SomeLanes first_lanes(int64_t count) { return static_cast<SomeLanes>((1u << count) - 1); }

static inline Vector broadcast(float x) { return _mm512_set1_ps(x); }

static inline Vector load(const float* from, AllLanes) { return _mm512_loadu_ps(from); }
static inline Vector load(const bfloat16* from, AllLanes) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}
static inline Vector load(const float* from, SomeLanes some) { return _mm512_maskz_loadu_ps(some, from); }
static inline Vector load(const bfloat16* from, SomeLanes some) {
  const __m256i halves = _mm256_maskz_loadu_epi16(some, from);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// To nearest, ties to even, NaN stays NaN.
static inline __m256i to_bfloat16(Vector x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  rounded = _mm512_mask_mov_epi32(rounded, is_nan, _mm512_set1_epi32(0x7fc00000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}

static inline void store(float* to, AllLanes, Vector x) { _mm512_storeu_ps(to, x); }
static inline void store(bfloat16* to, AllLanes, Vector x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), to_bfloat16(x));
}
static inline void store(float* to, SomeLanes some, Vector x) { _mm512_mask_storeu_ps(to, some, x); }
static inline void store(bfloat16* to, SomeLanes some, Vector x) { _mm256_mask_storeu_epi16(to, some, to_bfloat16(x)); }

// Whole numbers from 0 to 255.
static inline void store(uint8_t* to, AllLanes, Vector x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}
static inline void store(uint8_t* to, SomeLanes some, Vector x) {
  _mm_mask_storeu_epi8(to, some, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
}

static inline Vector only(SomeLanes some, Vector x) { return _mm512_maskz_mov_ps(some, x); }

static inline Vector fma(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
static inline Vector abs(Vector x) { return _mm512_abs_ps(x); }
static inline Vector sqrt(Vector x) { return _mm512_sqrt_ps(x); }
static inline Vector round(Vector x) { return _mm512_roundscale_ps(x, 0); }
static inline Vector min(Vector x, Vector y) { return _mm512_min_ps(x, y); }
static inline Vector max(Vector x, Vector y) { return _mm512_max_ps(x, y); }
static inline Vector clamp(Vector x, float low, float high) {  // NaN passes
  return _mm512_min_ps(broadcast(high), _mm512_max_ps(broadcast(low), x));
}
static inline float sum_of_lanes(Vector x) { return _mm512_reduce_add_ps(x); }

static inline Vector where_negative(Vector x, Vector then, Vector otherwise) {
  return _mm512_mask_mov_ps(otherwise, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_LT_OQ), then);
}

// x 2^n, n a whole number.
static inline Vector times_power_of_2(Vector x, Vector n) { return _mm512_scalef_ps(x, n); }

}  // namespace catvton::ops

#include "ops/vectors.h"
