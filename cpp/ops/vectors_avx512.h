// Sixteen float32 lanes from and to float32 or bfloat16 memory, and exp: for *_avx512.cpp files alone. Everything is
// static, so that no code compiled for AVX-512 can be picked by the linker for another file.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace catvton::ops {

struct bfloat16 {
  uint16_t bits;
};

// body(c, lanes) for c = 0, 16, ... below `count`; lanes: AllLanes, or a mask for the last few. (Masked stores of 16 bits
// are slow on AMD's processors.)
struct AllLanes {};
template <class Body>
static inline void for_each_vector(int64_t count, const Body& body) {
  int64_t c = 0;
  for (; c + 16 <= count; c += 16) body(c, AllLanes{});
  if (c < count) body(c, __mmask16((1u << (count - c)) - 1));
}

static inline __m512 load(const float* from, AllLanes) { return _mm512_loadu_ps(from); }
static inline __m512 load(const bfloat16* from, AllLanes) {
  const __m256i halves = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

static inline __m512 load(const float* from, __mmask16 lanes) { return _mm512_maskz_loadu_ps(lanes, from); }
static inline __m512 load(const bfloat16* from, __mmask16 lanes) {
  const __m256i halves = _mm256_maskz_loadu_epi16(lanes, from);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

// To nearest, ties to even, NaN stays NaN.
static inline __m256i to_bfloat16(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  rounded = _mm512_mask_mov_epi32(rounded, is_nan, _mm512_set1_epi32(0x7fc00000));
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded, 16));
}

static inline void store(float* to, AllLanes, __m512 x) { _mm512_storeu_ps(to, x); }
static inline void store(bfloat16* to, AllLanes, __m512 x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), to_bfloat16(x));
}
static inline void store(float* to, __mmask16 lanes, __m512 x) { _mm512_mask_storeu_ps(to, lanes, x); }
static inline void store(bfloat16* to, __mmask16 lanes, __m512 x) {
  _mm256_mask_storeu_epi16(to, lanes, to_bfloat16(x));
}

static inline __m512 only(__mmask16 lanes, __m512 x) { return _mm512_maskz_mov_ps(lanes, x); }
static inline __m512 only(AllLanes, __m512 x) { return x; }

// e^x to about one last place of float32: 2^n e^r with |r| <= ln 2 / 2, e^r by its Taylor polynomial of degree 7.
static inline __m512 exp(__m512 x) {
  x = _mm512_min_ps(_mm512_set1_ps(104.0f), _mm512_max_ps(_mm512_set1_ps(-104.0f), x));  // NaN passes
  const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), 0);
  __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(0.693145752f), x);  // ln 2 in two parts, the first short
  r = _mm512_fnmadd_ps(n, _mm512_set1_ps(1.42860677e-6f), r);
  __m512 p = _mm512_set1_ps(1.0f / 5040);
  const float factors[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
  for (const float factor : factors) {
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(factor));
  }
  return _mm512_scalef_ps(p, n);
}

}  // namespace catvton::ops
