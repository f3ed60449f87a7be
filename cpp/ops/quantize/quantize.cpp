#include "ops/quantize/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "ops/bfloat16.h"
#include "ops/kernels.h"
#include "ops/quantize/quantize_kernel.h"
#include "torch_stable/ops.h"
#include "torch_stable/parallel.h"
#include "torch_stable/tensor.h"

namespace catvton::ops {
namespace kernels {
namespace {

// Number i of float32 or bfloat16 memory.
float number(const void* x, bool is_bfloat16, int64_t i) {
  if (!is_bfloat16) return static_cast<const float*>(x)[i];
  const uint32_t bits = static_cast<uint32_t>(static_cast<const bfloat16*>(x)[i].bits) << 16;
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

Range range_of_plain(const void* x, bool is_bfloat16, int64_t count) {
  Range range{0, 0};
  for (int64_t i = 0; i < count; ++i) {
    const float value = number(x, is_bfloat16, i);
    if (!std::isfinite(value)) return {NAN, NAN};
    range = {std::min(range.low, value), std::max(range.high, value)};
  }
  return range;
}

void quantize_plain(const void* x, bool is_bfloat16, int64_t count, float inverse, float zero_point, uint8_t* y) {
  for (int64_t i = 0; i < count; ++i) {
    const float value = std::nearbyint(number(x, is_bfloat16, i) * inverse) + zero_point;
    y[i] = static_cast<uint8_t>(value > 0 ? std::min(value, 255.0f) : 0);  // NaN: 0
  }
}

}  // namespace kernels

namespace {

constexpr int64_t at_once = 1 << 14;  // numbers: of one thread, which fit its cache

template <class Kernel>
Kernel* chosen(Kernel* plain, Kernel* avx2, Kernel* avx512) {
  return cpu_level() >= CpuLevel::avx512 ? avx512 : cpu_level() >= CpuLevel::avx2 ? avx2 : plain;
}

#ifdef CATVTON_X86_KERNELS
kernels::RangeOf* range_kernel() {
  return chosen(kernels::range_of_plain, kernels::range_of_avx2, kernels::range_of_avx512);
}
kernels::Quantize* quantize_kernel() {
  return chosen(kernels::quantize_plain, kernels::quantize_avx2, kernels::quantize_avx512);
}
#else
kernels::RangeOf* range_kernel() { return kernels::range_of_plain; }
kernels::Quantize* quantize_kernel() { return kernels::quantize_plain; }
#endif

// x is contiguous from here on.
struct Numbers {
  const char* first;
  bool is_bfloat16;
  int64_t count;

  // body(number of the chunk, its first number, how many)
  template <class Body>
  void in_chunks(const Body& body) const {
    const int64_t chunks = (count + at_once - 1) / at_once, size = is_bfloat16 ? 2 : 4;
    torch_stable::parallel_for(0, chunks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const int64_t start = chunk * at_once;
        body(chunk, first + start * size, start, std::min(at_once, count - start));
      }
    });
  }

  kernels::Range range() const {
    std::vector<kernels::Range> ranges((count + at_once - 1) / at_once);
    in_chunks([&](int64_t chunk, const char* x, int64_t, int64_t some) {
      ranges[chunk] = range_kernel()(x, is_bfloat16, some);
    });
    kernels::Range all{0, 0};
    for (const auto& [low, high] : ranges) {
      if (std::isnan(low)) return {low, high};
      all = {std::min(all.low, low), std::max(all.high, high)};
    }
    return all;
  }
};

onednn::int8::Activations of_contiguous(const Tensor& x) {
  const Numbers numbers{static_cast<const char*>(x.data_ptr()), x.scalar_type() == ScalarType::BFloat16, x.numel()};
  const auto [low, high] = numbers.range();
  const double range = static_cast<double>(high) - low;
  const double scale = std::isnan(range) ? range : std::max(range / 255, 1e-30);  // its inverse is a float32
  const int64_t zero_point = std::isnan(range) ? 0 : std::lround(-low / scale);
  Tensor values = torch::stable::empty(shape_of(x), ScalarType::Byte);
  auto* into = values.mutable_data_ptr<uint8_t>();
  numbers.in_chunks([&](int64_t, const char* from, int64_t start, int64_t some) {
    quantize_kernel()(from, numbers.is_bfloat16, some, static_cast<float>(1 / scale), static_cast<float>(zero_point),
                      into + start);
  });
  return {values, scale, zero_point, x.scalar_type()};
}

}  // namespace

onednn::int8::Activations quantize(const Tensor& x) {
  if (!x.is_cpu() || (x.scalar_type() != ScalarType::Float && x.scalar_type() != ScalarType::BFloat16)) {
    throw std::invalid_argument("eight bits are made of float32 or bfloat16 on the CPU, got " + describe(x));
  }
  if (!is_channels_last(x)) return of_contiguous(contiguous(x));
  onednn::int8::Activations made = of_contiguous(permute(x, Ints{0, 2, 3, 1}));  // [B, H, W, C]
  made.values = permute(made.values, Ints{0, 3, 1, 2});
  return made;
}

}  // namespace catvton::ops
