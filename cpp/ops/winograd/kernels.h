// Winograd's convolution on the CPU, without torch: plain pointers, so that an ISA's file needs nothing else and a small
// program can run it under the sanitizers. What is computed, and why: winograd.h.
#pragma once

#include <cstdint>

namespace catvton::ops::winograd {

constexpr int64_t kTaps = 9;  // weights of one input and one output channel

// How a tile, 2 x 2 pixels of the result, is computed.
struct Form {
  int64_t points;  // of a transformed tile: as many products of matrices
  int64_t step;    // pixels of x from one tile to the next
};
constexpr Form same_size{16, 2};
constexpr Form upsampled{9, 1};  // x is first enlarged to twice its size

struct Range {
  int64_t first, last;
};

// `in` and `out` are multiples of the kernel's blocks, and numbers of its dtype.
struct Problem {
  const void* x;             // [B, H, W, in]
  const void* bias;          // [out]
  const void* residual;      // as the result, or null
  void* result;              // [B, H, W, out], or [B, 2 H, 2 W, out]
  const void* kept;          // weights, [out / out_block][in / pair][kTaps][out_block][pair]
  const float* transformed;  // as transform() made them, or null: then run() transforms what it needs by itself
  int64_t batch, height, width, in, out;
  Form form;

  int64_t result_height() const { return height * 2 / form.step; }
  int64_t result_width() const { return width * 2 / form.step; }
  int64_t tile_rows() const { return (result_height() + 1) / 2; }
  int64_t tile_columns() const { return (result_width() + 1) / 2; }
  int64_t tiles() const { return batch * tile_rows() * tile_columns(); }  // of 2 x 2 pixels of the result
};

// What computes in one form.
struct Routines {
  int64_t tiles_at_once;  // of one thread: what it holds of them fits its cache, and weights are read seldom
  // Some blocks of output channels; `transformed`, where the first of them shall be, gets
  // [out / out_block][points][in / pair][out_block] words of `pair` input channels.
  void (*transform)(const void* kept, int64_t in, float* transformed, Range blocks);
  // Scratch bytes for run() with so many tiles, to be aligned to 64.
  int64_t (*scratch_bytes)(int64_t in, int64_t tiles);
  // Some tiles of some blocks of the result.
  void (*run)(const Problem& problem, Range tiles, Range blocks, void* scratch);
};

struct Kernel {
  int64_t in_block, out_block, pair;
  Routines for_same_size, for_upsampled;

  const Routines& routines(const Form& form) const {
    return form.points == same_size.points ? for_same_size : for_upsampled;
  }
};

extern const Kernel avx2_float32, avx512_float32, avx512_bfloat16;
extern const Kernel avx2_wide_bfloat16, avx512_wide_bfloat16;  // multiply in float32

}  // namespace catvton::ops::winograd
