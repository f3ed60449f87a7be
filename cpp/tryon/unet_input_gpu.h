// The UNet's input (tryon/unet_input.h) on a GPU: a thread fetches one number of it from where it stands. Torch-free.
#pragma once

#include "ops/gpu/numbers.h"
#include "ops/gpu/split.h"

namespace catvton::tryon::kernels {

using namespace ops::gpu;

struct UNetInputArguments {
  const float* latents;           // [B, C, joined]
  const float *person, *garment;  // [B, C, height, width]
  const float* mask;              // [B, 1, height, width], or null
  void* input;                    // [branches B, 2C (+ 1), joined], or in memory [branches B, joined, 2C (+ 1)]
  Number number;                  // of the input
  int64_t branches, batch, channels, height, width;  // of person and garment
  bool in_width;                                     // joined in width, not in height
  bool channels_last;
};

template <class T>
struct UNetInput {
  static constexpr const char* name = "unet_input";
  UNetInputArguments in;

  using Private = Nothing;
  static constexpr int phases = 1;

  CATVTON_HOST_DEVICE float at(int64_t n, int64_t c, int64_t y, int64_t x) const {
    const int64_t b = n % in.batch;
    if (c < in.channels) {
      const int64_t joined_height = in.in_width ? in.height : 2 * in.height;
      const int64_t joined_width = in.in_width ? 2 * in.width : in.width;
      return in.latents[((b * in.channels + c) * joined_height + y) * joined_width + x];
    }
    const bool garment = in.in_width ? x >= in.width : y >= in.height;
    if (garment) (in.in_width ? x : y) -= in.in_width ? in.width : in.height;
    const int64_t pixel = y * in.width + x, pixels = in.height * in.width;
    c -= in.channels;
    if (in.mask) {
      if (c == 0) return garment ? 0.0f : in.mask[b * pixels + pixel];
      --c;
    }
    if (!garment) return in.person[(b * in.channels + c) * pixels + pixel];
    const bool unconditional = in.branches == 2 && n < in.batch;
    return unconditional ? 0.0f : in.garment[(b * in.channels + c) * pixels + pixel];
  }

  CATVTON_HOST_DEVICE void phase(Phase<0>, const Thread& thread, float*, Private&) const {
    const int64_t all = 2 * in.channels + (in.mask ? 1 : 0);
    const int64_t height = in.in_width ? in.height : 2 * in.height, width = in.in_width ? 2 * in.width : in.width;
    T* input = static_cast<T*>(in.input);
    for (int64_t i = thread.index(); i < in.branches * in.batch * all * height * width; i += thread.stride()) {
      if (in.channels_last) {
        const Split channel = split(i, all), column = split(channel.quotient, width),
                    row = split(column.quotient, height);
        input[i] = from_float<T>(at(row.quotient, channel.remainder, row.remainder, column.remainder));
      } else {
        const Split column = split(i, width), row = split(column.quotient, height), channel = split(row.quotient, all);
        input[i] = from_float<T>(at(channel.quotient, channel.remainder, row.remainder, column.remainder));
      }
    }
  }
};

template <class Run>
void unet_input(const Run& run, const UNetInputArguments& in) {
  for_number(in.number, [&](auto number) {
    const int64_t all = 2 * in.channels + (in.mask ? 1 : 0);
    run(UNetInput<decltype(number)>{in}, one_thread_each(in.branches * in.batch * all * 2 * in.height * in.width));
  });
}

void unet_input_cuda(const UNetInputArguments& in, void* stream);  // unet_input.cu

}  // namespace catvton::tryon::kernels
