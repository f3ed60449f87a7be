// float32 in attention with AVX-512.
#pragma once

#include "ops/attention/avx512.h"

namespace catvton::ops::attention_cpu {
namespace {

struct Float32 : Avx512 {
  using Element = float;
  static constexpr int kPair = 1;
  static constexpr float kFar = 0;  // without_maximum() gains nothing

  static Vec dot(Vec sum, Vec a, Vec b) { return _mm512_fmadd_ps(a, b, sum); }
  static Vec load_words(const float* from, int count) { return _mm512_maskz_loadu_ps(first(count), from); }
  static Vec load_numbers(const float* from, int count) { return load_words(from, count); }
  static Vec word(const Vec (&p)[1]) { return p[0]; }
  static void store_out(float* to, Vec x, int count) { _mm512_mask_storeu_ps(to, first(count), x); }

  static void pack_values(const float* row, const float*, int64_t left, float* to) {
    _mm256_storeu_ps(to, left > 0 ? _mm256_loadu_ps(row) : _mm256_setzero_ps());
  }

  // 2^f on [0, 1), interpolated at Chebyshev's nodes: relative error 2.5e-9.
  static Vec exp2(Vec x) {
    const Vec f = fraction(x);
    Vec p = _mm512_set1_ps(0.000218657848f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.00123913318f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.00968418631f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.0554806302f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.240230454f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0.693146933f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(1.0f));
    return _mm512_scalef_ps(p, x);
  }
};

}  // namespace
}  // namespace catvton::ops::attention_cpu
