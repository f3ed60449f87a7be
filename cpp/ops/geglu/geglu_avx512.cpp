#include "ops/geglu/geglu_kernel.h"
#include "ops/vectors_avx512.h"

namespace catvton::ops::kernels {
namespace {

// x Phi(x). Phi(-|x|) = erfc(z) / 2 with z = |x| / sqrt 2, and erfc(z) = t P(t) e^(-z^2) with t = 1 / (1 + 0.3 z): the form
// of C. Hastings, Approximations for Digital Computers (1955). P is our fit of degree 8 to e^(z^2) erfc(z) / t for z from 0
// to 10, behind which erfc is no float32; its largest RELATIVE error is 2e-8, so that gelu's tail keeps its digits.
__m512 gelu(__m512 x) {
  const __m512 one = _mm512_set1_ps(1.0f), zero = _mm512_setzero_ps();
  const __m512 z = _mm512_mul_ps(_mm512_abs_ps(x), _mm512_set1_ps(0.707106781f));
  const __m512 t = _mm512_div_ps(one, _mm512_fmadd_ps(z, _mm512_set1_ps(0.3f), one));
  const float factors[] = {0.485564411f, -0.512280762f, 0.547723293f, -0.094653137f,
                           0.214927167f, 0.148338854f,  0.170715272f, 0.169188008f};
  __m512 p = _mm512_set1_ps(-0.129523143f);
  for (const float factor : factors) p = _mm512_fmadd_ps(p, t, _mm512_set1_ps(factor));
  const __m512 half_square = _mm512_mul_ps(_mm512_mul_ps(x, x), _mm512_set1_ps(-0.5f));
  const __m512 tail = _mm512_mul_ps(_mm512_mul_ps(p, t), _mm512_mul_ps(exp(half_square), _mm512_set1_ps(0.5f)));
  const __mmask16 negative = _mm512_cmp_ps_mask(x, zero, _CMP_LT_OQ);
  return _mm512_mul_ps(x, _mm512_mask_mov_ps(_mm512_sub_ps(one, tail), negative, tail));
}

template <class T>
void geglu(const T* x, T* y, int64_t rows, int64_t columns) {
  for (int64_t row = 0; row < rows; ++row, x += 2 * columns, y += columns) {
    for_each_vector(columns, [&](int64_t c, auto lanes) {
      store(y + c, lanes, _mm512_mul_ps(load(x + c, lanes), gelu(load(x + columns + c, lanes))));
    });
  }
}

}  // namespace

void geglu_avx512(const void* x, void* y, bool is_bfloat16, int64_t rows, int64_t columns) {
  is_bfloat16 ? geglu(static_cast<const bfloat16*>(x), static_cast<bfloat16*>(y), rows, columns)
              : geglu(static_cast<const float*>(x), static_cast<float*>(y), rows, columns);
}

}  // namespace catvton::ops::kernels
