// vdpbf16ps multiplies pairs of bfloat16 and adds in float32.
#include "ops/pairs_avx512_bf16.h"
#include "ops/vectors_avx512.h"
// Behind the vectors.
#include "ops/winograd/winograd_vectors.h"

namespace catvton::ops::winograd {
namespace {

struct Pairs {
  using Number = bfloat16;
  static constexpr int kPair = 2, kRows = 6, kRegisters = 4;  // as those of float32
  static Vector dot(Vector sum, Vector weight, Vector tile) {
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(weight), (__m512bh)_mm512_castps_si512(tile));
  }
  static void split(const bfloat16* numbers, Vector (&parts)[2]) {
    const __m512i pairs = _mm512_loadu_si512(numbers);
    parts[0] = even_of(pairs), parts[1] = odd_of(pairs);
  }
  static void join(float* words, const Vector (&parts)[2]) { _mm512_storeu_si512(words, pairs_of(parts[0], parts[1])); }
  static void put(bfloat16* to, Vector x) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), (__m256i)_mm512_cvtneps_pbh(x));
  }
};

}  // namespace

const Kernel avx512_bfloat16 = kernel<Pairs>(96 * 16);

}  // namespace catvton::ops::winograd
