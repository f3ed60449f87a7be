// h + norm(h) and its norm over the vectors of the file that includes this one.
#include "ops/add_and_norm/add_and_norm_kernel.h"

namespace catvton::ops::kernels {
namespace {

struct Moments {
  Vector mean, reciprocal;  // of the standard deviation
};

// Of a row in float32, in two passes: its square sum is that of differences from its mean. Four sums at a time, as each
// waits for its last addition.
Moments moments(const float* row, int64_t columns, float eps) {
  const Vector zero = broadcast(0.0f);
  Vector sums[4] = {zero, zero, zero, zero}, squares[4] = {zero, zero, zero, zero};
  const int64_t at_once = 4 * lanes, fours = columns / at_once * at_once;
  for (int64_t c = 0; c < fours; c += at_once) {
    for (int i = 0; i < 4; ++i) sums[i] = sums[i] + load(row + c + lanes * i, AllLanes{});
  }
  for_each_vector(columns - fours, [&](int64_t c, auto some) { sums[0] = sums[0] + load(row + fours + c, some); });
  auto total = [](const Vector* parts) { return sum_of_lanes((parts[0] + parts[1]) + (parts[2] + parts[3])); };
  const Vector mean = broadcast(total(sums) / static_cast<float>(columns));
  auto add_square = [&](Vector& square, int64_t c, auto some) {
    const Vector d = only(some, load(row + c, some) - mean);
    square = fma(d, d, square);
  };
  for (int64_t c = 0; c < fours; c += at_once) {
    for (int i = 0; i < 4; ++i) add_square(squares[i], c + lanes * i, AllLanes{});
  }
  for_each_vector(columns - fours, [&](int64_t c, auto some) { add_square(squares[0], fours + c, some); });
  const Vector variance = broadcast(total(squares) / static_cast<float>(columns) + eps);
  return {mean, broadcast(1.0f) / sqrt(variance)};
}

template <class Lanes>
Vector normalise(Vector x, const Moments& m, const AffineFactors& factors, int64_t c, Lanes some) {
  return fma((x - m.mean) * m.reciprocal, load(factors.weight + c, some), load(factors.bias + c, some));
}

template <class T>
void add_and_norm(const T* h, T* sum, T* normalised, int64_t rows, int64_t columns, AffineFactors first,
                  AffineFactors second, float eps) {
  float row[longest_row];
  for (int64_t i = 0; i < rows; ++i, h += columns, sum += columns, normalised += columns) {
    for_each_vector(columns, [&](int64_t c, auto some) { store(row + c, some, load(h + c, some)); });
    const Moments before = moments(row, columns, eps);
    for_each_vector(columns, [&](int64_t c, auto some) {
      const Vector x = load(row + c, some), added = x + normalise(x, before, first, c, some);
      store(row + c, some, added);
      store(sum + c, some, added);
    });
    const Moments after = moments(row, columns, eps);
    for_each_vector(columns, [&](int64_t c, auto some) {
      store(normalised + c, some, normalise(load(row + c, some), after, second, c, some));
    });
  }
}

void add_and_norm(const void* h, void* sum, void* normalised, bool is_bfloat16, int64_t rows, int64_t columns,
                  AffineFactors first, AffineFactors second, float eps) {
  if (is_bfloat16) {
    add_and_norm(static_cast<const bfloat16*>(h), static_cast<bfloat16*>(sum), static_cast<bfloat16*>(normalised), rows,
                 columns, first, second, eps);
  } else {
    add_and_norm(static_cast<const float*>(h), static_cast<float*>(sum), static_cast<float*>(normalised), rows, columns,
                 first, second, eps);
  }
}

}  // namespace
}  // namespace catvton::ops::kernels
