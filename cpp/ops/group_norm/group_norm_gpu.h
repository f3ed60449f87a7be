// GroupNorm on a GPU, with shifts per channel before it and SiLU behind it, for maps in either memory format. Torch-free.
//
//   sums    of every channel over chunks of its pixels: of d = x - origin and of d^2, the origin being the channel's first
//           pixel, so that a mean far from 0 costs no digits
//   finish  one block a group: the chunks' means and squares become the group's (Chan, Golub, LeVeque 1979), and these
//           a scale and an offset for each channel
//   apply   y = (x - origin) * scale + offset, through silu if asked for
#pragma once

#include <cmath>

#include "ops/gpu/block_sum.h"
#include "ops/gpu/numbers.h"
#include "ops/gpu/split.h"

namespace catvton::ops::gpu {

struct GroupNormArguments {
  const void* x;              // [B, C, H, W], or in memory [B, H, W, C]
  void* y;                    // alike
  const void* shift;          // [B, C] or null
  const void* conv_bias;      // [C] or null: of the convolution that made x, and not in it yet
  const void *weight, *bias;  // [C]
  float* workspace;           // group_norm_workspace() of them
  Number number;              // of all of these
  int64_t batch, channels, pixels, groups;
  float eps;
  bool silu, channels_last;
};

// Pixels are summed in chunks: enough of them to keep a large device busy, and few enough to finish quickly. Where a
// thread sums a chunk, there are up to 192; where a block does, chunks are long enough for all its threads.
struct Chunks {
  int64_t length, count;
};

constexpr Chunks chunks_of(int64_t pixels, bool channels_last) {
  const int64_t short_ones = (pixels + 191) / 192 < 8 ? 8 : (pixels + 191) / 192;
  const int64_t length = channels_last ? short_ones : 8192;
  return {length, (pixels + length - 1) / length};
}

// Floats: sums and squares [B, chunks, C]; origin, scale and offset [B, C].
constexpr int64_t group_norm_workspace(int64_t batch, int64_t channels, int64_t pixels, bool channels_last) {
  return batch * channels * (2 * chunks_of(pixels, channels_last).count + 3);
}

struct Factors {
  float *origin, *scale, *offset;  // [B, C]
};

struct PartialSums {
  float *sums, *squares;  // [B, chunks, C]
  int64_t channels, pixels;
  Chunks chunks;

  CATVTON_HOST_DEVICE int64_t first(int64_t chunk) const { return chunk * chunks.length; }
  CATVTON_HOST_DEVICE int64_t last(int64_t chunk) const {
    const int64_t end = (chunk + 1) * chunks.length;
    return end < pixels ? end : pixels;
  }
  CATVTON_HOST_DEVICE int64_t at(int64_t b, int64_t chunk, int64_t c) const {
    return (b * chunks.count + chunk) * channels + c;
  }
};

// A thread sums neighbouring channels over a chunk, so that threads side by side read what lies side by side.
template <class T, int width>
struct ChannelSums {
  static constexpr const char* name = "group_norm: sums of channels";
  const T* x;
  int64_t batch;
  PartialSums partial;

  using Private = Nothing;
  static constexpr int phases = 1;

  CATVTON_HOST_DEVICE void phase(Phase<0>, const Thread& at, float*, Private&) const {
    const int64_t channels = partial.channels, packs = channels / width;
    for (int64_t i = at.index(); i < batch * partial.chunks.count * packs; i += at.stride()) {
      const Split place = split(i, packs), where = split(place.quotient, partial.chunks.count);
      const int64_t b = where.quotient, chunk = where.remainder, c = place.remainder * width;
      const T* map = x + b * partial.pixels * channels + c;
      float origin[width], sum[width] = {}, square[width] = {};
      load(map, origin);
      for (int64_t pixel = partial.first(chunk); pixel < partial.last(chunk); ++pixel) {
        float d[width];
        load(map + pixel * channels, d);
        for (int n = 0; n < width; ++n) {
          d[n] -= origin[n];
          sum[n] += d[n];
          square[n] += d[n] * d[n];
        }
      }
      for (int n = 0; n < width; ++n) {
        partial.sums[partial.at(b, chunk, c) + n] = sum[n];
        partial.squares[partial.at(b, chunk, c) + n] = square[n];
      }
    }
  }
};

// Channel after channel in memory: a block sums a chunk of one of them.
template <class T, int width>
struct PlaneSums {
  static constexpr const char* name = "group_norm: sums of planes";
  const T* x;
  PartialSums partial;

  struct Private {
    float sum, square;
  };
  static constexpr int phases = 3;
  static constexpr int64_t shared_floats = 2 * BlockSum::floats;

  CATVTON_HOST_DEVICE void phase(Phase<0>, const Thread& at, float* shared, Private&) const {
    const Split place = split(at.block, partial.chunks.count);  // b C + c, and the chunk
    const T* plane = x + place.quotient * partial.pixels;
    const float origin = to_float(plane[0]);
    float sum = 0, square = 0;
    const int64_t end = partial.last(place.remainder);
    for (int64_t pixel = partial.first(place.remainder) + at.thread * width; pixel < end; pixel += at.threads * width) {
      float d[width];
      load(plane + pixel, d);
      for (int n = 0; n < width; ++n) {
        d[n] -= origin;
        sum += d[n];
        square += d[n] * d[n];
      }
    }
    BlockSum{shared}.put(at, sum);
    BlockSum{shared + BlockSum::floats}.put(at, square);
  }

  CATVTON_HOST_DEVICE void phase(Phase<1>, const Thread& at, float* shared, Private&) const {
    BlockSum{shared}.fold(at);
    BlockSum{shared + BlockSum::floats}.fold(at);
  }

  CATVTON_HOST_DEVICE void phase(Phase<2>, const Thread& at, float* shared, Private&) const {
    if (at.thread != 0) return;
    const Split place = split(at.block, partial.chunks.count), channel = split(place.quotient, partial.channels);
    const int64_t to = partial.at(channel.quotient, place.remainder, channel.remainder);
    partial.sums[to] = BlockSum{shared}.total();
    partial.squares[to] = BlockSum{shared + BlockSum::floats}.total();
  }
};

template <class T>
struct FinishGroup {
  static constexpr const char* name = "group_norm: finish";
  const T *x, *shift, *conv_bias, *weight, *bias;
  PartialSums partial;
  Factors factors;
  int64_t groups;
  float eps;
  bool channels_last;

  struct Private {
    float mean;
  };
  static constexpr int phases = 5;
  static constexpr int64_t shared_floats = 2 * BlockSum::floats;

  CATVTON_HOST_DEVICE int64_t in_group() const { return partial.channels / groups; }

  CATVTON_HOST_DEVICE float first_pixel(int64_t b, int64_t c) const {
    const int64_t channel = b * partial.channels + c;
    return to_float(channels_last ? x[b * partial.pixels * partial.channels + c] : x[channel * partial.pixels]);
  }

  CATVTON_HOST_DEVICE float shift_of(int64_t b, int64_t c) const {
    return (shift ? to_float(shift[b * partial.channels + c]) : 0.0f) + (conv_bias ? to_float(conv_bias[c]) : 0.0f);
  }

  // A channel's shifted origin, as seen from that of the group's first channel: differences of what may be large.
  CATVTON_HOST_DEVICE float from_first(int64_t b, int64_t c) const {
    const int64_t first = c / in_group() * in_group();
    return (first_pixel(b, c) - first_pixel(b, first)) + (shift_of(b, c) - shift_of(b, first));
  }

  // A chunk's mean, from there, and its sum of squared differences from it.
  struct Part {
    float count, mean, squares;
  };

  CATVTON_HOST_DEVICE Part part(int64_t block, int64_t i) const {
    const int64_t b = block / groups, chunk = i / in_group(), c = block % groups * in_group() + i % in_group();
    const int64_t from = partial.at(b, chunk, c);
    const auto count = static_cast<float>(partial.last(chunk) - partial.first(chunk));
    const float sum = partial.sums[from];
    return {count, from_first(b, c) + sum / count, partial.squares[from] - sum * sum / count};
  }

  CATVTON_HOST_DEVICE float elements() const {
    return static_cast<float>(in_group()) * static_cast<float>(partial.pixels);
  }

  CATVTON_HOST_DEVICE void phase(Phase<0>, const Thread& at, float* shared, Private&) const {
    float sum = 0;
    for (int64_t i = at.thread; i < partial.chunks.count * in_group(); i += at.threads) {
      const Part p = part(at.block, i);
      sum += p.mean * (p.count / elements());
    }
    BlockSum{shared}.put(at, sum);
  }

  CATVTON_HOST_DEVICE void phase(Phase<1>, const Thread& at, float* shared, Private&) const {
    BlockSum{shared}.fold(at);
  }

  CATVTON_HOST_DEVICE void phase(Phase<2>, const Thread& at, float* shared, Private& mine) const {
    mine.mean = BlockSum{shared}.total();
    float sum = 0;
    for (int64_t i = at.thread; i < partial.chunks.count * in_group(); i += at.threads) {
      const Part p = part(at.block, i);
      const float apart = p.mean - mine.mean;
      sum += p.squares + p.count * apart * apart;
    }
    BlockSum{shared + BlockSum::floats}.put(at, sum);
  }

  CATVTON_HOST_DEVICE void phase(Phase<3>, const Thread& at, float* shared, Private&) const {
    BlockSum{shared + BlockSum::floats}.fold(at);
  }

  CATVTON_HOST_DEVICE void phase(Phase<4>, const Thread& at, float* shared, Private& mine) const {
    const float variance = fmaxf(BlockSum{shared + BlockSum::floats}.total(), 0.0f) / elements();
    const float reciprocal = 1.0f / sqrtf(variance + eps);
    const int64_t b = at.block / groups;
    for (int64_t i = at.thread; i < in_group(); i += at.threads) {
      const int64_t c = at.block % groups * in_group() + i, to = b * partial.channels + c;
      const float factor = to_float(weight[c]) * reciprocal;
      factors.origin[to] = first_pixel(b, c);
      factors.scale[to] = factor;
      factors.offset[to] = to_float(bias[c]) + (from_first(b, c) - mine.mean) * factor;
    }
  }
};

// Neighbouring numbers share a pixel (channels last) or a channel.
template <class T, int width>
struct ScaleAndShift {
  static constexpr const char* name = "group_norm: scale and shift";
  const T* x;
  T* y;
  Factors factors;
  int64_t batch, channels, pixels;
  bool silu, channels_last;

  using Private = Nothing;
  static constexpr int phases = 1;

  CATVTON_HOST_DEVICE float at(float value, int64_t channel) const {
    const float z = (value - factors.origin[channel]) * factors.scale[channel] + factors.offset[channel];
    return silu ? z / (1.0f + expf(-z)) : z;
  }

  CATVTON_HOST_DEVICE void phase(Phase<0>, const Thread& where, float*, Private&) const {
    const int64_t row = channels_last ? channels : pixels;
    for (int64_t i = where.index(); i < batch * channels * pixels / width; i += where.stride()) {
      const Split place = split(i * width, row);  // of [B H W, C] or [B C, H W]
      const int64_t channel =
          channels_last ? split(place.quotient, pixels).quotient * channels + place.remainder : place.quotient;
      float values[width];
      load(x + i * width, values);
      for (int n = 0; n < width; ++n) values[n] = at(values[n], channels_last ? channel + n : channel);
      store(y + i * width, values);
    }
  }
};

template <class Run, class T, int width>
void group_norm_of(const Run& run, const GroupNormArguments& in, Width<width>, const T* x, T* y) {
  const Chunks chunks = chunks_of(in.pixels, in.channels_last);
  const int64_t parts = in.batch * chunks.count * in.channels;
  const int64_t all_channels = in.batch * in.channels;
  float* after = in.workspace + 2 * parts;
  const Factors factors{after, after + all_channels, after + 2 * all_channels};
  const PartialSums partial{in.workspace, in.workspace + parts, in.channels, in.pixels, chunks};
  if (in.channels_last) {
    run(ChannelSums<T, width>{x, in.batch, partial}, one_thread_each(parts / width));
  } else {
    const int64_t longest = in.pixels < chunks.length ? in.pixels : chunks.length;
    run(PlaneSums<T, width>{x, partial},
        Geometry{parts, threads_for(longest / width), PlaneSums<T, width>::shared_floats});
  }
  run(FinishGroup<T>{x, static_cast<const T*>(in.shift), static_cast<const T*>(in.conv_bias),
                     static_cast<const T*>(in.weight), static_cast<const T*>(in.bias), partial, factors, in.groups,
                     in.eps, in.channels_last},
      Geometry{in.batch * in.groups, threads_of_a_block, FinishGroup<T>::shared_floats});
  run(ScaleAndShift<T, width>{x, y, factors, in.batch, in.channels, in.pixels, in.silu, in.channels_last},
      one_thread_each(in.batch * in.channels * in.pixels / width));
}

template <class Run>
void group_norm(const Run& run, const GroupNormArguments& in) {
  for_number(in.number, [&](auto number) {
    using T = decltype(number);
    const T* x = static_cast<const T*>(in.x);
    T* y = static_cast<T*>(in.y);
    for_width<T>(fits_packs<T>(in.channels_last ? in.channels : in.pixels, x, y),
                 [&](auto width) { group_norm_of(run, in, width, x, y); });
  });
}

void group_norm_cuda(const GroupNormArguments& in, void* stream);  // group_norm.cu

}  // namespace catvton::ops::gpu
