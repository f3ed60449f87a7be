// GEGLU over the vectors of the file that includes this one.
#include "ops/geglu/geglu_kernel.h"

namespace catvton::ops::kernels {
namespace {

// x Phi(x). Phi(-|x|) = erfc(z) / 2 with z = |x| / sqrt 2, and erfc(z) = t P(t) e^(-z^2) with t = 1 / (1 + 0.3 z): the form
// of C. Hastings, Approximations for Digital Computers (1955). P is our fit of degree 8 to e^(z^2) erfc(z) / t for z from 0
// to 10, behind which erfc is no float32; its largest RELATIVE error is 2e-8, so that gelu's tail keeps its digits.
Vector gelu(Vector x) {
  const Vector one = broadcast(1.0f), z = abs(x) * broadcast(0.707106781f), t = one / fma(z, broadcast(0.3f), one);
  const float factors[] = {0.485564411f, -0.512280762f, 0.547723293f, -0.094653137f,
                           0.214927167f, 0.148338854f,  0.170715272f, 0.169188008f};
  Vector p = broadcast(-0.129523143f);
  for (const float factor : factors) p = fma(p, t, broadcast(factor));
  const Vector tail = p * t * (exp(x * x * broadcast(-0.5f)) * broadcast(0.5f));
  return x * where_negative(x, tail, one - tail);
}

template <class T>
void geglu(const T* x, T* y, int64_t rows, int64_t columns) {
  for (int64_t row = 0; row < rows; ++row, x += 2 * columns, y += columns) {
    for_each_vector(columns, [&](int64_t c, auto some) {
      store(y + c, some, load(x + c, some) * gelu(load(x + columns + c, some)));
    });
  }
}

void geglu(const void* x, void* y, bool is_bfloat16, int64_t rows, int64_t columns) {
  is_bfloat16 ? geglu(static_cast<const bfloat16*>(x), static_cast<bfloat16*>(y), rows, columns)
              : geglu(static_cast<const float*>(x), static_cast<float*>(y), rows, columns);
}

}  // namespace
}  // namespace catvton::ops::kernels
