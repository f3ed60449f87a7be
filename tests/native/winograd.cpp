// The torch-free kernels of Winograd's convolution against a naive loop in double, in buffers of exactly their size: built
// with AddressSanitizer and UndefinedBehaviourSanitizer by `make test-asan`, it also finds what reads or writes beside them.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <vector>

#include "cpu.h"
#include "numbers.h"
#include "ops/winograd/kernels.h"

using namespace catvton::ops::winograd;

namespace {

struct Shape {
  int64_t batch, height, width, in_blocks, out_blocks;
};

std::unique_ptr<void, decltype(&std::free)> aligned(int64_t bytes) {
  return {std::aligned_alloc(64, (bytes + 63) / 64 * 64), &std::free};
}

template <class Number>
double worst_error(const Kernel& kernel, const Form& form, const Shape& s, bool transformed, int64_t tiles_at_once) {
  const Routines& routines = kernel.routines(form);
  std::mt19937 engine(1);
  const int64_t in = s.in_blocks * kernel.in_block, out = s.out_blocks * kernel.out_block, pair = kernel.pair;
  auto filled = [&](int64_t count) {
    std::vector<Number> data(count);
    for (auto& x : data) from_float(static_cast<float>(engine() / 4294967296.0 * 2 - 1), x);
    return data;
  };
  const int64_t scale = 2 / form.step, height = scale * s.height, width = scale * s.width;  // the result's
  const auto x = filled(s.batch * s.height * s.width * in), residual = filled(s.batch * height * width * out);
  const auto weight = filled(out * in * kTaps), bias = filled(out);
  std::vector<Number> kept(weight.size()), result(residual.size());
  auto* place = kept.data();
  for (int64_t block = 0; block < out; block += kernel.out_block) {
    for (int64_t word = 0; word < in; word += pair) {
      for (int64_t tap = 0; tap < kTaps; ++tap) {
        for (int64_t lane = 0; lane < kernel.out_block; ++lane) {
          for (int64_t i = 0; i < pair; ++i) *place++ = weight[((block + lane) * in + word + i) * kTaps + tap];
        }
      }
    }
  }
  const auto memory = aligned(in * out * form.points / pair * static_cast<int64_t>(sizeof(float)));
  auto* into = static_cast<float*>(memory.get());
  const auto* from = reinterpret_cast<const float*>(kept.data());
  if (transformed) routines.transform(from, in, into, {0, s.out_blocks});
  const Problem problem{x.data(),
                        bias.data(),
                        residual.data(),
                        result.data(),
                        from,
                        transformed ? into : nullptr,
                        s.batch,
                        s.height,
                        s.width,
                        in,
                        out,
                        form};
  const auto scratch = aligned(routines.scratch_bytes(in, tiles_at_once));
  for (int64_t tile = 0; tile < problem.tiles(); tile += tiles_at_once) {
    routines.run(problem, {tile, std::min(problem.tiles(), tile + tiles_at_once)}, {0, s.out_blocks}, scratch.get());
  }
  double worst = 0;
  for (int64_t i = 0; i < static_cast<int64_t>(result.size()); ++i) {
    const int64_t channel = i % out, column = i / out % width, row = i / out / width % height;
    const int64_t image = i / out / width / height;
    double sum = static_cast<double>(to_float(bias[channel])) + to_float(residual[i]);
    for (int64_t tap = 0; tap < kTaps; ++tap) {
      const int64_t y = row + tap / 3 - 1, xx = column + tap % 3 - 1;
      if (y < 0 || y >= height || xx < 0 || xx >= width) continue;
      const int64_t pixel = (image * s.height + y / scale) * s.width + xx / scale;
      for (int64_t c = 0; c < in; ++c) {
        sum += static_cast<double>(to_float(x[pixel * in + c])) * to_float(weight[(channel * in + c) * kTaps + tap]);
      }
    }
    const double error = std::abs(to_float(result[i]) - sum) / std::sqrt(static_cast<double>(in));
    worst = std::isnan(error) ? INFINITY : std::max(worst, error);
  }
  return worst;
}

constexpr Shape shapes[] = {{1, 1, 1, 1, 1}, {2, 5, 3, 2, 1}, {1, 2, 2, 3, 2}, {3, 7, 8, 1, 3}, {1, 16, 1, 1, 1}};

template <class Number>
bool check(const char* name, const Kernel& kernel, bool present, double allowed) {
  if (!present) return std::printf("winograd, %-12s this CPU lacks it\n", name), true;
  bool good = true;
  auto check_one = [&](const Form& form, const Shape& s, bool transformed, int64_t tiles_at_once) {
    const double error = worst_error<Number>(kernel, form, s, transformed, tiles_at_once);
    if (error <= allowed) return;
    good = false;
    std::printf("winograd, %s, %ld points, [%ld, %ld, %ld] %ld to %ld blocks: error %.2g, at most %.2g expected\n",
                name, long(form.points), long(s.batch), long(s.height), long(s.width), long(s.in_blocks),
                long(s.out_blocks), error, allowed);
  };
  for (const Form& form : {same_size, upsampled}) {
    for (const Shape& s : shapes) {
      for (const bool transformed : {false, true}) {
        for (const int64_t tiles_at_once : {1, 7, 48}) check_one(form, s, transformed, tiles_at_once);
      }
    }
  }
  std::printf("winograd, %-12s %s\n", name, good ? "ok" : "FAILED");
  return good;
}

}  // namespace

int main() {
  const bool avx2 = has_avx2(), avx512 = has_avx512();
  bool good = check<float>("avx2", avx2_float32, avx2, 4e-6);
  good &= check<float>("avx512", avx512_float32, avx512, 4e-6);
  const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16");
  good &= check<uint16_t>("avx512_bf16", avx512_bfloat16, bf16, 4e-2);
  good &= check<uint16_t>("avx2, wide", avx2_wide_bfloat16, avx2, 2e-2);
  good &= check<uint16_t>("avx512, wide", avx512_wide_bfloat16, avx512, 2e-2);
  return good ? 0 : 1;
}
