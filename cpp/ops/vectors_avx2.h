// Eight float32 lanes from and to float32 or bfloat16 memory: for *_avx2.cpp files alone. The names of vectors_avx512.h,
// and static for the same reason.
#pragma once

#include <immintrin.h>

#include "ops/bfloat16.h"

namespace catvton::ops {

using Vector = __m256;
constexpr int64_t lanes = 8;
constexpr int vectors_at_once = 4;  // of 16 registers, where three are needed for each

// What the last vector of a row holds, where it is not full.
struct SomeLanes {
  int64_t count;

  __m256i mask() const {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(count)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
};
static inline SomeLanes first_lanes(int64_t count) { return {count}; }

static inline Vector broadcast(float x) { return _mm256_set1_ps(x); }

static inline Vector from_bfloat16(__m128i halves) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

static inline Vector load(const float* from, AllLanes) { return _mm256_loadu_ps(from); }
static inline Vector load(const bfloat16* from, AllLanes) {
  return from_bfloat16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}
static inline Vector load(const float* from, SomeLanes some) { return _mm256_maskload_ps(from, some.mask()); }
static inline Vector load(const bfloat16* from, SomeLanes some) {
  alignas(16) bfloat16 copy[lanes] = {};
  for (int64_t i = 0; i < some.count; ++i) copy[i] = from[i];
  return from_bfloat16(_mm_load_si128(reinterpret_cast<const __m128i*>(copy)));
}

// To nearest, ties to even, NaN stays NaN.
static inline __m128i to_bfloat16(Vector x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  rounded = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, _mm256_set1_epi32(0x7fc00000), is_nan), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
}

static inline void store(float* to, AllLanes, Vector x) { _mm256_storeu_ps(to, x); }
static inline void store(bfloat16* to, AllLanes, Vector x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), to_bfloat16(x));
}
static inline void store(float* to, SomeLanes some, Vector x) { _mm256_maskstore_ps(to, some.mask(), x); }
static inline void store(bfloat16* to, SomeLanes some, Vector x) {
  alignas(16) bfloat16 copy[lanes];
  _mm_store_si128(reinterpret_cast<__m128i*>(copy), to_bfloat16(x));
  for (int64_t i = 0; i < some.count; ++i) to[i] = copy[i];
}

// Whole numbers from 0 to 255.
static inline __m128i to_bytes(Vector x) {  // the first eight
  const __m256i whole = _mm256_cvtps_epi32(x);
  const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  return _mm_packus_epi16(words, words);
}
static inline void store(uint8_t* to, AllLanes, Vector x) {
  _mm_storel_epi64(reinterpret_cast<__m128i*>(to), to_bytes(x));
}
static inline void store(uint8_t* to, SomeLanes some, Vector x) {
  alignas(16) uint8_t copy[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(copy), to_bytes(x));
  for (int64_t i = 0; i < some.count; ++i) to[i] = copy[i];
}

static inline Vector only(SomeLanes some, Vector x) { return _mm256_and_ps(_mm256_castsi256_ps(some.mask()), x); }

static inline Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
static inline Vector abs(Vector x) { return _mm256_andnot_ps(broadcast(-0.0f), x); }
static inline Vector sqrt(Vector x) { return _mm256_sqrt_ps(x); }
static inline Vector round(Vector x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
static inline Vector min(Vector x, Vector y) { return _mm256_min_ps(x, y); }
static inline Vector max(Vector x, Vector y) { return _mm256_max_ps(x, y); }
static inline Vector clamp(Vector x, float low, float high) {  // NaN passes
  return _mm256_min_ps(broadcast(high), _mm256_max_ps(broadcast(low), x));
}
static inline float sum_of_lanes(Vector x) {
  __m128 four = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  four = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(four, _mm_movehdup_ps(four)));
}

static inline Vector where_negative(Vector x, Vector then, Vector otherwise) {
  return _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps(x, _mm256_setzero_ps(), _CMP_LT_OQ));
}

// x 2^n, n a whole number from -252 to 252: in two steps, so that what is subnormal in the end is rounded once.
static inline Vector times_power_of_2(Vector x, Vector n) {
  const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
  auto power = [](__m256i exponent) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(exponent, _mm256_set1_epi32(127)), 23));
  };
  return x * power(half) * power(_mm256_sub_epi32(whole, half));
}

}  // namespace catvton::ops

#include "ops/vectors.h"
