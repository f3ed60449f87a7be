// y + bias + residual on a GPU, for maps in either memory format: a thread takes neighbouring numbers. Torch-free.
#pragma once

#include "ops/gpu/numbers.h"
#include "ops/gpu/split.h"

namespace catvton::ops::gpu {

struct BiasAndResidualArguments {
  const void *y, *bias, *residual;  // [B, C, H, W], or in memory [B, H, W, C]; [C]; as y
  void* sum;                        // as y
  Number number;                    // of all of these
  int64_t batch, channels, pixels;
  bool channels_last;
};

// Neighbouring numbers share a pixel (channels last) or a channel.
template <class T, int width>
struct BiasAndResidual {
  static constexpr const char* name = "bias_and_residual";
  const T *y, *bias, *residual;
  T* sum;
  int64_t batch, channels, pixels;
  bool channels_last;

  using Private = Nothing;
  static constexpr int phases = 1;

  CATVTON_HOST_DEVICE void phase(Phase<0>, const Thread& at, float*, Private&) const {
    const int64_t row = channels_last ? channels : pixels;
    for (int64_t i = at.index(); i < batch * channels * pixels / width; i += at.stride()) {
      const Split place = split(i * width, row);  // of [B H W, C] or [B C, H W]
      float values[width], added[width], shift[width];
      load(y + i * width, values);
      load(residual + i * width, added);
      if (channels_last) {
        load(bias + place.remainder, shift);
      } else {
        const float same = to_float(bias[split(place.quotient, channels).remainder]);
        for (int n = 0; n < width; ++n) shift[n] = same;
      }
      for (int n = 0; n < width; ++n) values[n] += shift[n] + added[n];
      store(sum + i * width, values);
    }
  }
};

template <class Run>
void bias_and_residual(const Run& run, const BiasAndResidualArguments& in) {
  for_number(in.number, [&](auto number) {
    using T = decltype(number);
    const T *y = static_cast<const T*>(in.y), *bias = static_cast<const T*>(in.bias);
    const T* residual = static_cast<const T*>(in.residual);
    T* sum = static_cast<T*>(in.sum);
    const bool fit = in.channels_last ? fits_packs<T>(in.channels, y, residual, sum, bias)
                                      : fits_packs<T>(in.pixels, y, residual, sum);
    for_width<T>(fit, [&](auto width) {
      constexpr int numbers = decltype(width)::value;
      run(BiasAndResidual<T, numbers>{y, bias, residual, sum, in.batch, in.channels, in.pixels, in.channels_last},
          one_thread_each(in.batch * in.channels * in.pixels / numbers));
    });
  });
}

void bias_and_residual_cuda(const BiasAndResidualArguments& in, void* stream);  // bias_and_residual.cu

}  // namespace catvton::ops::gpu
