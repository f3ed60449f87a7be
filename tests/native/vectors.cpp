// The torch-free vector kernels against naive loops in double, in buffers of exactly their size: built with
// AddressSanitizer and UndefinedBehaviourSanitizer by `make test-asan`, it also finds what reads or writes beside them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "cpu.h"
#include "ops/add_and_norm/add_and_norm_kernel.h"
#include "ops/geglu/geglu_kernel.h"
#include "ops/group_norm/group_norm_kernel.h"
#include "ops/quantize/quantize_kernel.h"

using namespace catvton::ops::kernels;

namespace {

constexpr int64_t rows = 3;

// Numbers in float32 or bfloat16 memory, each with its value in double.
struct Buffer {
  bool is_bfloat16;
  std::vector<float> floats;
  std::vector<uint16_t> halves;

  Buffer(bool is_bfloat16, int64_t count, unsigned seed = 0, float scale = 0) : is_bfloat16(is_bfloat16) {
    std::mt19937 engine(seed);
    (is_bfloat16 ? halves.resize(count) : floats.resize(count));
    for (int64_t i = 0; i < count; ++i) {
      const float x = static_cast<float>((engine() / 4294967296.0 * 4 - 2) * scale);
      uint32_t bits;
      std::memcpy(&bits, &x, sizeof bits);
      if (is_bfloat16) halves[i] = static_cast<uint16_t>(bits >> 16);  // cut off: an input is what it is
      if (!is_bfloat16) floats[i] = x;
    }
  }
  void* data() { return is_bfloat16 ? static_cast<void*>(halves.data()) : static_cast<void*>(floats.data()); }
  double operator[](int64_t i) const {
    if (!is_bfloat16) return floats[i];
    const uint32_t bits = uint32_t{halves[i]} << 16;
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
};

double silu(double x) { return x / (1 + std::exp(-x)); }

double relative(double found, double expected) {
  return std::isnan(found) ? INFINITY : std::abs(found - expected) / std::max(1.0, std::abs(expected));
}

double geglu_error(Geglu* kernel, bool is_bfloat16, int64_t columns) {
  Buffer x(is_bfloat16, rows * 2 * columns, 1, 2), y(is_bfloat16, rows * columns);
  kernel(x.data(), y.data(), is_bfloat16, rows, columns);
  double worst = 0;
  for (int64_t i = 0; i < rows * columns; ++i) {
    const int64_t at = i / columns * 2 * columns + i % columns;
    const double b = x[at + columns], expected = x[at] * b * std::erfc(-b / std::sqrt(2.0)) / 2;
    worst = std::max(worst, relative(y[i], expected));
  }
  return worst;
}

// As many pixels as rows.
double group_norm_error(const GroupNorm& kernel, bool is_bfloat16, int64_t channels) {
  Buffer x(is_bfloat16, rows * channels, 2, 1), y(is_bfloat16, rows * channels);
  const Buffer scale(false, channels, 3, 1), offset(false, channels, 4, 1);
  std::vector<float> sums(channels), squares(channels);
  kernel.channel_sums(x.data(), is_bfloat16, rows, channels, x.data(), sums.data(), squares.data());
  kernel.scale_and_shift(x.data(), y.data(), is_bfloat16, rows, channels, scale.floats.data(), offset.floats.data(),
                         true);
  double worst = 0;
  for (int64_t c = 0; c < channels; ++c) {
    double sum = 0, square = 0;
    for (int64_t row = 0; row < rows; ++row) {
      const double number = x[row * channels + c], apart = number - x[c];
      sum += apart, square += apart * apart;
      worst = std::max(worst, relative(y[row * channels + c], silu(number * scale[c] + offset[c])));
    }
    worst = std::max({worst, relative(sums[c], sum), relative(squares[c], square)});
  }
  return worst;
}

std::vector<double> layer_norm(const std::vector<double>& x, const Buffer& weight, const Buffer& bias) {
  double mean = 0, variance = 0;
  for (const double number : x) mean += number / x.size();
  for (const double number : x) variance += (number - mean) * (number - mean) / x.size();
  std::vector<double> y(x.size());
  for (size_t i = 0; i < x.size(); ++i) y[i] = (x[i] - mean) / std::sqrt(variance + 1e-5) * weight[i] + bias[i];
  return y;
}

double add_and_norm_error(AddAndNorm* kernel, bool is_bfloat16, int64_t columns) {
  Buffer h(is_bfloat16, rows * columns, 5, 1), sum(is_bfloat16, rows * columns),
      normalised(is_bfloat16, rows * columns);
  const Buffer w1(false, columns, 6, 1), b1(false, columns, 7, 1), w2(false, columns, 8, 1), b2(false, columns, 9, 1);
  kernel(h.data(), sum.data(), normalised.data(), is_bfloat16, rows, columns, {w1.floats.data(), b1.floats.data()},
         {w2.floats.data(), b2.floats.data()}, 1e-5f);
  double worst = 0;
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<double> x(columns);
    for (int64_t c = 0; c < columns; ++c) x[c] = h[row * columns + c];
    const std::vector<double> first = layer_norm(x, w1, b1);
    for (int64_t c = 0; c < columns; ++c) {
      worst = std::max(worst, relative(sum[row * columns + c], x[c] + first[c]));
      x[c] = sum[row * columns + c];  // as written: what the second norm gets is rounded
    }
    const std::vector<double> second = layer_norm(x, w2, b2);
    // Where columns are few, a norm of rounded numbers differs by more than their rounding.
    for (int64_t c = 0; c < columns && columns > 8; ++c) {
      worst = std::max(worst, relative(normalised[row * columns + c], second[c]) / 4);
    }
  }
  return worst;
}

// In steps of the 256 values: what lies between two of them may go to either by float32's rounding.
double quantize_error(RangeOf* range_of, Quantize* quantize, bool is_bfloat16, int64_t count) {
  Buffer x(is_bfloat16, count, 10, 3);
  const Range range = range_of(x.data(), is_bfloat16, count);
  double low = 0, high = 0;
  for (int64_t i = 0; i < count; ++i) low = std::min(low, x[i]), high = std::max(high, x[i]);
  if (range.low != low || range.high != high) return INFINITY;
  const double scale = (high - low) / 255, zero_point = std::round(-low / scale);
  std::vector<uint8_t> y(count);
  quantize(x.data(), is_bfloat16, count, static_cast<float>(1 / scale), static_cast<float>(zero_point), y.data());
  double worst = 0;
  for (int64_t i = 0; i < count; ++i) {
    worst = std::max(worst, std::abs(y[i] - zero_point - x[i] / scale) - 0.5);
  }
  return worst;
}

struct Kernels {
  const char* name;
  bool present;
  Geglu* geglu;
  const GroupNorm* group_norm;
  AddAndNorm* add_and_norm;
  RangeOf* range_of;
  Quantize* quantize;
};

bool check(const Kernels& kernels) {
  if (!kernels.present) return std::printf("%-16s this CPU lacks it\n", kernels.name), true;
  bool good = true;
  for (const bool is_bfloat16 : {false, true}) {
    const double allowed = is_bfloat16 ? 1.0 / 128 : 2e-6;
    auto within = [&](const char* what, int64_t columns, double error, double limit) {
      if (error <= limit) return;
      good = false;
      std::printf("%s %s, %s, %ld columns: error %.2g, at most %.2g expected\n", what, kernels.name,
                  is_bfloat16 ? "bfloat16" : "float32", long(columns), error, limit);
    };
    for (int64_t columns = 1; columns <= 150; ++columns) {
      within("geglu", columns, geglu_error(kernels.geglu, is_bfloat16, columns), allowed);
      within("group_norm", columns, group_norm_error(*kernels.group_norm, is_bfloat16, columns), allowed);
      within("add_and_norm", columns, add_and_norm_error(kernels.add_and_norm, is_bfloat16, columns), 4 * allowed);
      within("quantize", columns, quantize_error(kernels.range_of, kernels.quantize, is_bfloat16, columns), 1e-4);
    }
  }
  std::printf("%-16s %s\n", kernels.name, good ? "ok" : "FAILED");
  return good;
}

}  // namespace

int main() {
  const bool avx2 = has_avx2(), avx512 = has_avx512();
  bool good = check({"avx2", avx2, geglu_avx2, &group_norm_avx2, add_and_norm_avx2, range_of_avx2, quantize_avx2});
  good &= check(
      {"avx512", avx512, geglu_avx512, &group_norm_avx512, add_and_norm_avx512, range_of_avx512, quantize_avx512});
  return good ? 0 : 1;
}
