// Winograd's convolution over the vectors of the file that includes this one.
//
// Products are tiles x output channels: a register's lanes are output channels, each step broadcasts a word of one tile.
// A word is what one lane multiplies at once: a float, or a pair of bfloat16 of neighbouring input channels.
#include "ops/winograd/forms.h"

namespace catvton::ops::winograd {
namespace {

struct Place {
  int64_t image, row, column;  // of a tile's upper left pixel in the result
};

Place place_of(const Problem& p, int64_t tile) {
  const int64_t columns = p.tile_columns(), rows = p.tile_rows();
  return {tile / (rows * columns), tile / columns % rows * 2, tile % columns * 2};
}

// `Words`: Number (in memory), kPair, kRows (tiles of one product) and kRegisters (of their output channels); dot() multiplies
// words and adds, split() reads numbers into kPair registers, join() makes words of them, put() writes numbers.
template <class Words, class Transforms>
struct Winograd {
  using Number = typename Words::Number;
  static constexpr int64_t kPair = Words::kPair, kRows = Words::kRows, kRegisters = Words::kRegisters;
  static constexpr int64_t kOut = kRegisters * lanes, kIn = kPair * lanes;
  static constexpr int64_t kPoints = Transforms::kForm.points, kStep = Transforms::kForm.step;

  static int64_t rows_of(int64_t tiles) { return (tiles + kRows - 1) / kRows * kRows; }

  static void transform(const void* kept, int64_t in, float* transformed, Range blocks) {
    const int64_t words = in / kPair;
    for (int64_t block = blocks.first; block < blocks.last; ++block, transformed += kPoints * words * kOut) {
      for (int64_t word = 0; word < words; ++word) {
        const auto* from = static_cast<const Number*>(kept) + (block * words + word) * kTaps * kOut * kPair;
        for (int64_t lane = 0; lane < kOut; lane += lanes) {
          Vector taps[kPair][kTaps], points[kPair][kPoints];
          for (int t = 0; t < kTaps; ++t) {
            Vector parts[kPair];
            Words::split(from + (t * kOut + lane) * kPair, parts);
            for (int i = 0; i < kPair; ++i) taps[i][t] = parts[i];
          }
          for (int i = 0; i < kPair; ++i) Transforms::taps(taps[i], points[i]);
          for (int p = 0; p < kPoints; ++p) {
            Vector parts[kPair];
            for (int i = 0; i < kPair; ++i) parts[i] = points[i][p];
            Words::join(transformed + (p * words + word) * kOut + lane, parts);
          }
        }
      }
    }
  }

  // -> maps[point][row][words]. Beside the picture lie zeros.
  static void transform_maps(const Problem& p, Range tiles, float* maps, const Number* zeros) {
    constexpr int64_t kSide = kStep + 2;
    const int64_t words = p.in / kPair, point = rows_of(tiles.last - tiles.first) * words;
    for (int64_t tile = tiles.first; tile < tiles.last; ++tile, maps += words) {
      const Place at = place_of(p, tile);
      const Number* pixels[kPoints];
      for (int i = 0; i < kPoints; ++i) {
        const int64_t y = at.row * kStep / 2 + i / kSide - 1, x = at.column * kStep / 2 + i % kSide - 1;
        const bool inside = y >= 0 && y < p.height && x >= 0 && x < p.width;
        pixels[i] = inside ? static_cast<const Number*>(p.x) + ((at.image * p.height + y) * p.width + x) * p.in : zeros;
      }
      for (int64_t channel = 0; channel < p.in; channel += kIn) {
        Vector points[kPair][kPoints];
#pragma GCC unroll 16
        for (int i = 0; i < kPoints; ++i) {
          Vector parts[kPair];
          Words::split(pixels[i] + channel, parts);
          for (int k = 0; k < kPair; ++k) points[k][i] = parts[k];
        }
        for (int k = 0; k < kPair; ++k) Transforms::pixels(points[k]);
#pragma GCC unroll 16
        for (int i = 0; i < kPoints; ++i) {
          Vector parts[kPair];
          for (int k = 0; k < kPair; ++k) parts[k] = points[k][i];
          Words::join(maps + i * point + channel / kPair, parts);
        }
      }
    }
  }

  // kRows tiles x kOut channels of one point.
  static void multiply(const float* maps, const float* weight, int64_t words, float* products) {
    Vector sums[kRows][kRegisters];
    for (auto& row : sums)
      for (Vector& sum : row) sum = broadcast(0.0f);
    for (int64_t word = 0; word < words; ++word, weight += kOut) {
      Vector w[kRegisters];
#pragma GCC unroll 4
      for (int v = 0; v < kRegisters; ++v) w[v] = load(weight + v * lanes, AllLanes{});
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        const Vector tile = broadcast(maps[r * words + word]);
#pragma GCC unroll 4
        for (int v = 0; v < kRegisters; ++v) sums[r][v] = Words::dot(sums[r][v], w[v], tile);
      }
    }
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < kRegisters; ++v) store(products + r * kOut + v * lanes, AllLanes{}, sums[r][v]);
    }
  }

  // Of one tile, the channels of one block.
  static void write(const Problem& p, const Place& at, int64_t block, const float* products, int64_t point) {
    const int64_t height = p.result_height(), width = p.result_width();
    for (int64_t lane = 0; lane < kOut; lane += lanes) {
      const int64_t channel = block * kOut + lane;
      const Vector bias = load(static_cast<const Number*>(p.bias) + channel, AllLanes{});
      Vector pixels[4];
      Transforms::products(products + lane, point, pixels);
      for (int i = 0; i < 4; ++i) {
        const int64_t y = at.row + i / 2, x = at.column + i % 2;
        if (y >= height || x >= width) continue;
        const int64_t to = ((at.image * height + y) * width + x) * p.out + channel;
        Vector sum = pixels[i] + bias;
        if (p.residual) sum = sum + load(static_cast<const Number*>(p.residual) + to, AllLanes{});
        Words::put(static_cast<Number*>(p.result) + to, sum);
      }
    }
  }

  // Transformed maps, products and weights of one block of output channels, and a pixel of zeros.
  struct Scratch {
    float *maps, *products, *weight, *zeros, *end;

    Scratch(void* memory, int64_t in, int64_t tiles) {
      const int64_t rows = rows_of(tiles), words = in / kPair;
      maps = static_cast<float*>(memory);
      products = maps + kPoints * rows * words;
      weight = products + kPoints * rows * kOut;
      zeros = weight + kPoints * words * kOut;
      end = zeros + words;
    }
  };

  static int64_t scratch_bytes(int64_t in, int64_t tiles) {
    const Scratch scratch(nullptr, in, tiles);
    return (scratch.end - scratch.maps) * static_cast<int64_t>(sizeof(float));
  }

  static void run(const Problem& p, Range of_tiles, Range of_blocks, void* memory) {
    const int64_t words = p.in / kPair, tiles = of_tiles.last - of_tiles.first, rows = rows_of(tiles);
    const Scratch scratch(memory, p.in, tiles);
    __builtin_memset(scratch.zeros, 0, words * sizeof(float));
    for (int64_t i = 0; i < kPoints; ++i) {  // rows without a tile are multiplied, too
      __builtin_memset(scratch.maps + (i * rows + tiles) * words, 0, (rows - tiles) * words * sizeof(float));
    }
    transform_maps(p, of_tiles, scratch.maps, reinterpret_cast<const Number*>(scratch.zeros));
    for (int64_t block = of_blocks.first; block < of_blocks.last; ++block) {
      const float* weight = scratch.weight;
      if (p.transformed) {
        weight = p.transformed + block * kPoints * words * kOut;
      } else {
        transform(p.kept, p.in, scratch.weight, {block, block + 1});
      }
      for (int64_t i = 0; i < kPoints; ++i, weight += words * kOut) {
        for (int64_t row = i * rows; row < (i + 1) * rows; row += kRows) {
          multiply(scratch.maps + row * words, weight, words, scratch.products + row * kOut);
        }
      }
      for (int64_t tile = 0; tile < tiles; ++tile) {
        write(p, place_of(p, of_tiles.first + tile), block, scratch.products + tile * kOut, rows * kOut);
      }
    }
  }

  // What is held of a tile is in proportion to its points.
  static constexpr Routines routines(int64_t points_at_once) {
    return {points_at_once / kPoints / kRows * kRows, &transform, &scratch_bytes, &run};
  }
};

template <class Words>
constexpr Kernel kernel(int64_t points_at_once) {
  using Same = Winograd<Words, SameSize>;
  return {Same::kIn, Same::kOut, Words::kPair, Same::routines(points_at_once),
          Winograd<Words, Upsampled>::routines(points_at_once)};
}

// Multiplied in float32, whatever lies in memory.
template <class InMemory, int kTheseRows, int kTheseRegisters>
struct Floats {
  using Number = InMemory;
  static constexpr int kPair = 1, kRows = kTheseRows, kRegisters = kTheseRegisters;
  static Vector dot(Vector sum, Vector weight, Vector tile) { return fma(weight, tile, sum); }
  static void split(const Number* words, Vector (&parts)[1]) { parts[0] = load(words, AllLanes{}); }
  static void join(float* words, const Vector (&parts)[1]) { store(words, AllLanes{}, parts[0]); }
  static void put(Number* to, Vector x) { store(to, AllLanes{}, x); }
};

}  // namespace
}  // namespace catvton::ops::winograd
