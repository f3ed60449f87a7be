// bfloat16 in attention with AVX512-BF16: vdpbf16ps multiplies pairs and adds in float32. Scores, sums and the running
// result are float32; probabilities are rounded to bfloat16 for the second product, as ATen rounds them.
#pragma once

#include "ops/attention/avx512.h"
#include "ops/pairs_avx512_bf16.h"

namespace catvton::ops::attention_cpu {
namespace {

struct BFloat16 : Avx512 {
  using Element = uint16_t;
  static constexpr int kPair = 2;
  static constexpr float kFar = 24;  // float32's sums have room for 2^100 more

  static Vec dot(Vec sum, Vec a, Vec b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(b), (__m512bh)_mm512_castps_si512(a));
  }
  static Vec load_words(const uint16_t* from, int count) { return _mm512_maskz_loadu_ps(first(count), from); }
  static Vec load_numbers(const uint16_t* from, int count) {
    const __m256i halves = _mm256_maskz_loadu_epi16(first(count), from);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
  }
  static void store_out(uint16_t* to, Vec x, int count) {
    _mm256_mask_storeu_epi16(to, first(count), (__m256i)_mm512_cvtneps_pbh(x));
  }

  // Eight words: the elements of one token below those of the next.
  static void pack_values(const uint16_t* row, const uint16_t* next, int64_t left, float* to) {
    const __m128i none = _mm_setzero_si128();
    const __m128i low = left > 0 ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(row)) : none;
    const __m128i high = left > 1 ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(next)) : none;
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_unpacklo_epi16(low, high));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + 4), _mm_unpackhi_epi16(low, high));
  }

  static Vec word(const Vec (&p)[2]) { return _mm512_castsi512_ps(pairs_of(p[0], p[1])); }

  // 2^f on [0, 1), interpolated at Chebyshev's nodes: relative error 1e-4, a fortieth of bfloat16's own rounding.
  static Vec exp2(Vec x) {
    const Vec f = fraction(x);
    Vec p = _mm512_set1_ps(0.078967257f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.224693156f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.696324771f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.999900288f));
    return _mm512_scalef_ps(p, x);
  }
};

}  // namespace
}  // namespace catvton::ops::attention_cpu
