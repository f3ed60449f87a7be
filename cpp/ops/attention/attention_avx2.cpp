// float32 attention with AVX2 and FMA: sixteen registers hold a tile of 4 x 3 sums, three of Q or P, and the broadcast.
#include <immintrin.h>

#include "ops/attention/exact_scores.h"
#include "ops/attention/flash.h"

namespace catvton::ops::attention_cpu {
namespace {

struct Isa {
  using Element = float;
  using Vec = __m256;
  static constexpr int kLanes = 8, kRows = 4, kPair = 1;
  static constexpr float kFar = 0;  // sixteen registers are too few for without_maximum()

  static Vec zero() { return _mm256_setzero_ps(); }
  static Vec set(float x) { return _mm256_set1_ps(x); }
  static Vec load(const float* from) { return _mm256_load_ps(from); }
  static void store(float* to, Vec x) { _mm256_store_ps(to, x); }
  static Vec broadcast(const float* from) { return _mm256_broadcast_ss(from); }
  static Vec add(Vec x, Vec y) { return _mm256_add_ps(x, y); }
  static Vec sub(Vec x, Vec y) { return _mm256_sub_ps(x, y); }
  static Vec mul(Vec x, Vec y) { return _mm256_mul_ps(x, y); }
  static Vec div(Vec x, Vec y) { return _mm256_div_ps(x, y); }
  static Vec max(Vec x, Vec y) { return _mm256_max_ps(x, y); }
  static Vec fmsub(Vec x, Vec y, Vec z) { return _mm256_fmsub_ps(x, y, z); }
  // NaN is above everything.
  static Vec above(Vec x, float limit) { return _mm256_cmp_ps(x, set(limit), _CMP_NLE_UQ); }
  static bool any_above(Vec x, float limit) { return _mm256_movemask_ps(above(x, limit)) != 0; }
  static Vec where_above(Vec x, float limit, Vec then, Vec otherwise) {
    return _mm256_blendv_ps(otherwise, then, above(x, limit));
  }
  static Vec to_float(Vec sum) { return sum; }
  static Vec dot(Vec sum, Vec a, Vec b) { return _mm256_fmadd_ps(a, b, sum); }

  // Sizes are multiples of 8: eight words are always there.
  static Vec load_words(const float* from, int) { return _mm256_loadu_ps(from); }
  static Vec word(const Vec (&p)[1]) { return p[0]; }
  static void store_out(float* to, Vec x, int) { _mm256_storeu_ps(to, x); }
  static void pack_values(const float* row, const float*, int64_t left, float* to) {
    _mm256_storeu_ps(to, left > 0 ? _mm256_loadu_ps(row) : _mm256_setzero_ps());
  }

  // 2^f on [-1/2, 1/2], interpolated at Chebyshev's nodes: relative error 2.5e-9. Below 2^-126 the result is 0.
  static Vec exp2(Vec x) {
    const Vec whole = _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC), f = _mm256_sub_ps(x, whole);
    Vec p = _mm256_set1_ps(0.000154614447f);
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.00134004282f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.00961805668f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.0555032723f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.240226509f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(0.693147207f));
    p = _mm256_fmadd_ps(p, f, _mm256_set1_ps(1.0f));
    const __m256i exponent = _mm256_slli_epi32(_mm256_cvtps_epi32(whole), 23);
    const Vec result = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent));
    const Vec nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
    return _mm256_or_ps(nan, _mm256_andnot_ps(_mm256_cmp_ps(x, _mm256_set1_ps(-126.0f), _CMP_LT_OQ), result));
  }

  static void turn(Vec (&x)[8]) {
    Vec y[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
      y[i] = _mm256_unpacklo_ps(x[i], x[i + 1]);
      y[i + 1] = _mm256_unpackhi_ps(x[i], x[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
      x[i] = _mm256_shuffle_ps(y[i], y[i + 2], 0x44);
      x[i + 1] = _mm256_shuffle_ps(y[i], y[i + 2], 0xee);
      x[i + 2] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0x44);
      x[i + 3] = _mm256_shuffle_ps(y[i + 1], y[i + 3], 0xee);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const Vec low = x[i], high = x[i + 4];
      x[i] = _mm256_permute2f128_ps(low, high, 0x20);
      x[i + 4] = _mm256_permute2f128_ps(low, high, 0x31);
    }
  }
};

}  // namespace

const Kernel avx2_float32 = Flash<Isa, ExactScores<Isa>>::kernel;

}  // namespace catvton::ops::attention_cpu
