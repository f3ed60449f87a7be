// The CUDA kernels' bodies, as the emulator runs them, against naive loops in double, in buffers of exactly their size:
// built with AddressSanitizer and UndefinedBehaviourSanitizer by `make test-asan`, it finds what reads or writes beside
// them. tests/ops/test_fused.py holds the same bodies against torch.
#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "ops/add_and_norm/add_and_norm_gpu.h"
#include "ops/bias_and_residual/bias_and_residual_gpu.h"
#include "ops/expand_float8/expand_float8_gpu.h"
#include "ops/geglu/geglu_gpu.h"
#include "ops/gpu/emulate.h"
#include "ops/group_norm/group_norm_gpu.h"
#include "sampling/guided_step_gpu.h"
#include "tryon/unet_input_gpu.h"

using namespace catvton::ops::gpu;

namespace {

bool failed = false;

void report(const char* name, Number number, int64_t a, int64_t b, double error) {
  const double allowed = number == Number::float32 ? 1e-5 : number == Number::float16 ? 4e-3 : 3e-2;
  const bool wrong = !(error <= allowed);
  if (wrong) failed = true;
  if (wrong) std::printf("%s, dtype %d, %ld x %ld: error %.2g\n", name, int(number), long(a), long(b), error);
}

// `size` numbers of the dtype, in a heap block of their own.
template <class T>
std::vector<T> drawn(int64_t size, unsigned seed) {
  std::mt19937 engine(seed);
  std::vector<T> data(static_cast<size_t>(size));
  for (T& x : data) x = from_float<T>(static_cast<float>(engine() / 4294967296.0 * 4 - 1));
  return data;
}

double relative(double found, double exact) { return std::abs(found - exact) / (1 + std::abs(exact)); }

template <class T>
void check_geglu(Number number, int64_t rows, int64_t columns) {
  const auto x = drawn<T>(2 * rows * columns, 1);
  std::vector<T> y(static_cast<size_t>(rows * columns));
  geglu(Emulate{}, GegluArguments{x.data(), y.data(), number, rows, columns});
  double worst = 0;
  for (int64_t i = 0; i < rows * columns; ++i) {
    const T* row = &x[i / columns * 2 * columns];
    const double a = to_float(row[i % columns]), b = to_float(row[columns + i % columns]);
    worst = std::fmax(worst, relative(to_float(y[i]), a * b * 0.5 * std::erfc(-b / std::sqrt(2.0))));
  }
  report("geglu", number, rows, columns, worst);
}

template <class T>
void check_group_norm(Number number, int64_t channels, int64_t pixels, bool channels_last) {
  const int64_t batch = 2, groups = 2;
  const auto x = drawn<T>(batch * channels * pixels, 2), shift = drawn<T>(batch * channels, 3);
  const auto weight = drawn<T>(channels, 4), bias = drawn<T>(channels, 5), before = drawn<T>(channels, 6);
  std::vector<T> y(x.size());
  std::vector<float> workspace(static_cast<size_t>(group_norm_workspace(batch, channels, pixels, channels_last)));
  group_norm(Emulate{},
             GroupNormArguments{x.data(), y.data(), shift.data(), before.data(), weight.data(), bias.data(),
                                workspace.data(), number, batch, channels, pixels, groups, 1e-5f, true, channels_last});
  auto at = [&](int64_t b, int64_t c, int64_t p) {
    return channels_last ? (b * pixels + p) * channels + c : (b * channels + c) * pixels + p;
  };
  double worst = 0;
  const int64_t in_group = channels / groups;
  for (int64_t b = 0; b < batch; ++b) {
    for (int64_t group = 0; group < groups; ++group) {
      double mean = 0, variance = 0;
      auto over_all = [&](auto function) {
        for (int64_t c = group * in_group; c < (group + 1) * in_group; ++c) {
          for (int64_t p = 0; p < pixels; ++p)
            function(c, p, double(to_float(x[at(b, c, p)])) + to_float(shift[b * channels + c]) + to_float(before[c]));
        }
      };
      const double count = static_cast<double>(in_group * pixels);
      over_all([&](int64_t, int64_t, double v) { mean += v / count; });
      over_all([&](int64_t, int64_t, double v) { variance += (v - mean) * (v - mean) / count; });
      over_all([&](int64_t c, int64_t p, double v) {
        const double z = (v - mean) / std::sqrt(variance + 1e-5) * to_float(weight[c]) + to_float(bias[c]);
        worst = std::fmax(worst, relative(to_float(y[at(b, c, p)]), z / (1 + std::exp(-z))));
      });
    }
  }
  report(channels_last ? "group_norm, channels last" : "group_norm", number, channels, pixels, worst);
}

template <class T>
void check_add_and_norm(Number number, int64_t rows, int64_t columns, bool with_residual) {
  const auto h = drawn<T>(rows * columns, 1), w1 = drawn<T>(columns, 2), b1 = drawn<T>(columns, 3);
  const auto w2 = drawn<T>(columns, 4), b2 = drawn<T>(columns, 5), residual = drawn<T>(rows * columns, 6);
  std::vector<T> sum(h.size()), normalised(h.size());
  add_and_norm(Emulate{},
               AddAndNormArguments{h.data(), with_residual ? residual.data() : nullptr, w1.data(), b1.data(), w2.data(),
                                   b2.data(), sum.data(), normalised.data(), number, rows, columns, 0.01f});
  auto norm = [&](std::vector<double> row, const std::vector<T>& w, const std::vector<T>& b) {
    double mean = 0, variance = 0;
    for (double v : row) mean += v / static_cast<double>(columns);
    for (double v : row) variance += (v - mean) * (v - mean) / static_cast<double>(columns);
    for (size_t c = 0; c < row.size(); ++c) {
      row[c] = (row[c] - mean) / std::sqrt(variance + 0.01) * to_float(w[c]) + to_float(b[c]);
    }
    return row;
  };
  double worst = 0;
  for (int64_t r = 0; r < rows; ++r) {
    std::vector<double> row;
    for (int64_t i = r * columns; i < (r + 1) * columns; ++i) {
      row.push_back(double(to_float(h[i])) + (with_residual ? to_float(residual[i]) : 0));
    }
    const auto added = norm(row, w1, b1);
    for (size_t c = 0; c < row.size(); ++c) row[c] += added[c];
    const auto last = norm(row, w2, b2);
    for (size_t c = 0; c < row.size(); ++c) {
      worst = std::fmax(worst, relative(to_float(sum[r * columns + c]), row[c]));
      worst = std::fmax(worst, relative(to_float(normalised[r * columns + c]), last[c]));
    }
  }
  report("add_and_norm", number, rows, columns, worst);
}

template <class T>
void check_bias_and_residual(Number number, int64_t channels, int64_t pixels, bool channels_last) {
  const int64_t batch = 2;
  const auto y = drawn<T>(batch * channels * pixels, 1), residual = drawn<T>(batch * channels * pixels, 2);
  const auto bias = drawn<T>(channels, 3);
  std::vector<T> sum(y.size());
  bias_and_residual(Emulate{}, BiasAndResidualArguments{y.data(), bias.data(), residual.data(), sum.data(), number,
                                                        batch, channels, pixels, channels_last});
  double worst = 0;
  for (int64_t i = 0; i < batch * channels * pixels; ++i) {
    const int64_t c = channels_last ? i % channels : i / pixels % channels;
    const double exact = double(to_float(y[i])) + to_float(bias[c]) + to_float(residual[i]);
    worst = std::fmax(worst, relative(to_float(sum[i]), exact));
  }
  report(channels_last ? "bias_and_residual, channels last" : "bias_and_residual", number, channels, pixels, worst);
}

template <class T>
void check_guided_step(Number number, int64_t count, bool guided, bool noisy) {
  using namespace catvton::sampling::kernels;
  const auto estimate = drawn<T>((guided ? 2 : 1) * count, 1);
  const auto sample = drawn<float>(count, 2), noise = drawn<float>(count, 3);
  std::vector<float> pred_x0(sample.size()), prev_sample(sample.size());
  guided_step(Emulate{}, GuidedStepArguments{estimate.data(),
                                             number,
                                             sample.data(),
                                             noisy ? noise.data() : nullptr,
                                             pred_x0.data(),
                                             prev_sample.data(),
                                             count,
                                             guided,
                                             {2.5f, 0.6f, 0.8f, 0.65f, 0.7f, 0.25f}});
  double worst = 0;
  for (int64_t i = 0; i < count; ++i) {
    double eps = to_float(estimate[i]);
    if (guided) eps += 2.5 * (to_float(estimate[count + i]) - eps);
    const double x0 = (sample[i] - 0.8 * eps) / 0.6;
    worst = std::fmax(worst, relative(pred_x0[i], x0));
    worst = std::fmax(worst, relative(prev_sample[i], 0.65 * x0 + 0.7 * eps + (noisy ? 0.25 * noise[i] : 0)));
  }
  report("guided_step", Number::float32, count, guided, worst);  // exact to float32, whatever the estimate is in
}

template <class T>
void check_unet_input(Number number, int64_t height, int64_t width, bool masked, bool channels_last) {
  using namespace catvton::tryon::kernels;
  const int64_t batch = 2, channels = 3, branches = masked ? 2 : 1, pixels = height * width;
  const auto latents = drawn<float>(batch * channels * 2 * pixels, 1),
             person = drawn<float>(batch * channels * pixels, 2);
  const auto garment = drawn<float>(batch * channels * pixels, 3), mask = drawn<float>(batch * pixels, 4);
  const int64_t all = 2 * channels + masked, rows = masked ? 2 * height : height, columns = masked ? width : 2 * width;
  std::vector<T> input(static_cast<size_t>(branches * batch * all * rows * columns));
  unet_input(Emulate{}, UNetInputArguments{latents.data(), person.data(), garment.data(),
                                           masked ? mask.data() : nullptr, input.data(), number, branches, batch,
                                           channels, height, width, !masked, channels_last});
  double worst = 0;
  for (int64_t n = 0; n < branches * batch; ++n) {
    for (int64_t c = 0; c < all; ++c) {
      for (int64_t y = 0; y < rows; ++y) {
        for (int64_t x = 0; x < columns; ++x) {
          const int64_t b = n % batch, own = y % height * width + x % width, k = c - channels - masked;
          const bool beside = y >= height || x >= width;
          double exact = 0;
          if (c < channels) {
            exact = latents[((b * channels + c) * rows + y) * columns + x];
          } else if (masked && c == channels) {
            exact = beside ? 0 : mask[b * pixels + own];
          } else if (!beside) {
            exact = person[(b * channels + k) * pixels + own];
          } else if (branches == 1 || n >= batch) {
            exact = garment[(b * channels + k) * pixels + own];
          }
          const int64_t at =
              channels_last ? ((n * rows + y) * columns + x) * all + c : ((n * all + c) * rows + y) * columns + x;
          worst = std::fmax(worst, relative(to_float(input[at]), exact));
        }
      }
    }
  }
  report(channels_last ? "unet_input, channels last" : "unet_input", number, height, width, worst);
}

template <class T>
void check_expand_float8(Number number, int64_t rows, int64_t columns) {
  std::vector<uint8_t> values(static_cast<size_t>(rows * columns));
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<uint8_t>(i * 37 % 256);
  const auto scale = drawn<float>(rows, 1);
  std::vector<T> weights(values.size());
  expand_float8(Emulate{}, ExpandFloat8Arguments{values.data(), scale.data(), weights.data(), number, rows, columns});
  double worst = 0;
  for (int64_t i = 0; i < rows * columns; ++i) {
    const int exponent = values[i] >> 3 & 15, mantissa = values[i] & 7;
    const double size = exponent ? std::ldexp(8 + mantissa, exponent - 10) : std::ldexp(mantissa, -9);
    const double exact = (values[i] & 0x80 ? -size : size) * scale[i / columns], found = to_float(weights[i]);
    if ((values[i] & 0x7f) == 0x7f) {
      if (found == found) worst = INFINITY;  // no number, and it must stay so
    } else {
      worst = std::fmax(worst, relative(found, exact));
    }
  }
  report("expand_float8", number, rows, columns, worst);
}

template <class T>
void check(Number number) {
  for (const int64_t columns : {1, 3, 8, 24, 33, 320}) {
    for (const int64_t rows : {1, 5, 17}) check_geglu<T>(number, rows, columns);
    for (const int64_t rows : {1, 17}) check_expand_float8<T>(number, rows, columns);
    for (const bool guided : {false, true}) {
      for (const bool noisy : {false, true}) check_guided_step<T>(number, columns, guided, noisy);
    }
    for (const bool masked : {false, true}) {
      for (const bool channels_last : {false, true}) check_unet_input<T>(number, columns, 5, masked, channels_last);
    }
  }
  // From 1473 columns on, shared memory has no room for eight rows; the last is the longest that fits.
  for (const int64_t columns : {int64_t{1}, int64_t{77}, int64_t{320}, int64_t{1504}, longest_shared_row}) {
    for (const int64_t rows : {1, 9}) {
      for (const bool with_residual : {false, true}) check_add_and_norm<T>(number, rows, columns, with_residual);
    }
  }
  for (const int64_t channels : {2, 6, 16, 34, 320}) {
    for (const int64_t pixels : {3, 16, 49, 1600, 8200}) {
      if (channels > 16 && pixels > 1600) continue;  // what is left of the last chunk does not depend on channels
      for (const bool channels_last : {false, true}) {
        check_group_norm<T>(number, channels, pixels, channels_last);
        check_bias_and_residual<T>(number, channels, pixels, channels_last);
      }
    }
  }
}

}  // namespace

int main() {
  check<float>(Number::float32);
  check<Float16>(Number::float16);
  check<BFloat16>(Number::bfloat16);
  std::puts(failed ? "FAILED" : "the CUDA kernels' bodies are right, and read and write nothing beside their buffers");
  return failed;
}
