// Both resampling and blurring run along one axis and treat everything across it alike. "Lanes" are the bytes that lie
// side by side across that axis: the inner loops run over them, contiguously, and the compiler vectorises them.
//
//   along the height:  a strip of columns; lane i of step y is byte i of row y
//   along the width:   a block of rows, turned by 90 degrees; lane i of step x is channel i % C of row i / C, column x
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <vector>

#include "image/image.h"
#include "torch_stable/parallel.h"

// One copy of a loop for AVX2 machines and one for the rest, chosen by the loader. Integer code: both give equal bytes.
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define CATVTON_VECTOR_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define CATVTON_VECTOR_CLONES
#endif

namespace catvton::image {

// A read-only stack of lanes: step s starts at data + s * stride.
struct Lanes {
  const uint8_t* data;
  int64_t stride;
  int64_t count;  // bytes per step
};

constexpr int64_t kRowsPerBlock = 16;   // turned together; 16 rows of RGB make 48 lanes
constexpr int64_t kColumnBytes = 1024;  // the most in one strip; its int32 sums stay in the first-level cache

namespace detail {

// Pixels of C bytes: to[x][r] = from[r][x] for `rows` rows of `width` pixels. The steps are `to_stride` bytes apart.
template <int64_t C>
void turn(const uint8_t* from, int64_t from_row, int64_t rows, int64_t width, uint8_t* to, int64_t to_stride) {
  for (int64_t x = 0; x < width; ++x) {
    for (int64_t r = 0; r < rows; ++r) std::memcpy(to + x * to_stride + r * C, from + r * from_row + x * C, C);
  }
}

template <int64_t C>
void turn_back(const uint8_t* from, int64_t from_stride, int64_t rows, int64_t width, uint8_t* to, int64_t to_row) {
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t x = 0; x < width; ++x) std::memcpy(to + r * to_row + x * C, from + x * from_stride + r * C, C);
  }
}

template <class Function>
void with_channels(int64_t channels, const Function& function) {
  switch (channels) {
    case 1:
      return function(std::integral_constant<int64_t, 1>{});
    case 2:
      return function(std::integral_constant<int64_t, 2>{});
    case 3:
      return function(std::integral_constant<int64_t, 3>{});
    default:
      return function(std::integral_constant<int64_t, 4>{});
  }
}

}  // namespace detail

// pass(in: Lanes, out: uint8_t*, out_stride) along the height, for every strip of columns.
template <class Pass>
Image along_height(const View& in, int64_t out_height, const Pass& pass) {
  Image out({out_height, in.shape.width, in.shape.channels});
  const int64_t row = in.shape.row();
  const int64_t width = std::clamp<int64_t>((row / 8 + 63) / 64 * 64, 64, kColumnBytes);  // eight strips share out well
  torch_stable::parallel_for(0, (row + width - 1) / width, 1, [&](int64_t first, int64_t last) {
    for (int64_t at = first * width; at < std::min(last * width, row); at += width) {
      pass(Lanes{in.data + at, row, std::min(width, row - at)}, out.data.data() + at, row);
    }
  });
  return out;
}

// The same along the width, for every block of rows.
template <class Pass>
Image along_width(const View& in, int64_t out_width, const Pass& pass) {
  Image out({in.shape.height, out_width, in.shape.channels});
  const int64_t blocks = (in.shape.height + kRowsPerBlock - 1) / kRowsPerBlock;
  torch_stable::parallel_for(0, blocks, 1, [&](int64_t first, int64_t last) {
    const int64_t stride = kRowsPerBlock * in.shape.channels;
    std::vector<uint8_t> turned(in.shape.width * stride), result(out_width * stride);
    for (int64_t block = first; block < last; ++block) {
      const int64_t y = block * kRowsPerBlock, rows = std::min(kRowsPerBlock, in.shape.height - y);
      detail::with_channels(in.shape.channels, [&](auto c) {
        detail::turn<c()>(in.row(y), in.shape.row(), rows, in.shape.width, turned.data(), stride);
        pass(Lanes{turned.data(), stride, rows * c()}, result.data(), stride);
        detail::turn_back<c()>(result.data(), stride, rows, out_width, out.row(y), out.shape.row());
      });
    }
  });
  return out;
}

}  // namespace catvton::image
