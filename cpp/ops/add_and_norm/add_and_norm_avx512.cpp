#include "ops/add_and_norm/add_and_norm_kernel.h"
#include "ops/vectors_avx512.h"

namespace catvton::ops::kernels {
namespace {

struct Moments {
  __m512 mean, reciprocal;  // of the standard deviation
};

// Of a row in float32, in two passes: its square sum is that of differences from its mean. Four sums at a time, as each
// waits for its last addition.
Moments moments(const float* row, int64_t columns, float eps) {
  __m512 sums[4] = {}, squares[4] = {};
  const int64_t fours = columns / 64 * 64;
  for (int64_t c = 0; c < fours; c += 64) {
    for (int i = 0; i < 4; ++i) sums[i] = _mm512_add_ps(sums[i], load(row + c + 16 * i, AllLanes{}));
  }
  for_each_vector(columns - fours,
                  [&](int64_t c, auto lanes) { sums[0] = _mm512_add_ps(sums[0], load(row + fours + c, lanes)); });
  auto total = [](const __m512* parts) {
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(parts[0], parts[1]), _mm512_add_ps(parts[2], parts[3])));
  };
  const __m512 mean = _mm512_set1_ps(total(sums) / static_cast<float>(columns));
  auto add_square = [&](__m512& square, int64_t c, auto lanes) {
    const __m512 d = only(lanes, _mm512_sub_ps(load(row + c, lanes), mean));
    square = _mm512_fmadd_ps(d, d, square);
  };
  for (int64_t c = 0; c < fours; c += 64) {
    for (int i = 0; i < 4; ++i) add_square(squares[i], c + 16 * i, AllLanes{});
  }
  for_each_vector(columns - fours, [&](int64_t c, auto lanes) { add_square(squares[0], fours + c, lanes); });
  const __m512 variance = _mm512_set1_ps(total(squares) / static_cast<float>(columns) + eps);
  return {mean, _mm512_div_ps(_mm512_set1_ps(1.0f), _mm512_sqrt_ps(variance))};
}

template <class Lanes>
__m512 normalise(__m512 x, const Moments& m, const AffineFactors& factors, int64_t c, Lanes lanes) {
  const __m512 unit = _mm512_mul_ps(_mm512_sub_ps(x, m.mean), m.reciprocal);
  return _mm512_fmadd_ps(unit, load(factors.weight + c, lanes), load(factors.bias + c, lanes));
}

template <class T>
void add_and_norm(const T* h, T* sum, T* normalised, int64_t rows, int64_t columns, AffineFactors first,
                  AffineFactors second, float eps) {
  float row[longest_row];
  for (int64_t i = 0; i < rows; ++i, h += columns, sum += columns, normalised += columns) {
    for_each_vector(columns, [&](int64_t c, auto lanes) { store(row + c, lanes, load(h + c, lanes)); });
    const Moments before = moments(row, columns, eps);
    for_each_vector(columns, [&](int64_t c, auto lanes) {
      const __m512 x = load(row + c, lanes);
      const __m512 added = _mm512_add_ps(x, normalise(x, before, first, c, lanes));
      store(row + c, lanes, added);
      store(sum + c, lanes, added);
    });
    const Moments after = moments(row, columns, eps);
    for_each_vector(columns, [&](int64_t c, auto lanes) {
      store(normalised + c, lanes, normalise(load(row + c, lanes), after, second, c, lanes));
    });
  }
}

}  // namespace

void add_and_norm_avx512(const void* h, void* sum, void* normalised, bool is_bfloat16, int64_t rows, int64_t columns,
                         AffineFactors first, AffineFactors second, float eps) {
  if (is_bfloat16) {
    add_and_norm(static_cast<const bfloat16*>(h), static_cast<bfloat16*>(sum), static_cast<bfloat16*>(normalised), rows,
                 columns, first, second, eps);
  } else {
    add_and_norm(static_cast<const float*>(h), static_cast<float*>(sum), static_cast<float*>(normalised), rows, columns,
                 first, second, eps);
  }
}

}  // namespace catvton::ops::kernels
