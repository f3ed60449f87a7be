// Winograd's convolution over the vectors of the file that includes this one.
//
// Products are tiles x output channels: a register's lanes are output channels, each step broadcasts a word of one tile.
// A word is what one lane multiplies at once: a float, or a pair of bfloat16 of neighbouring input channels.
#include "ops/winograd/kernels.h"

namespace catvton::ops::winograd {
namespace {

// d -> B^T d B, where B^T = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1]
void transform_pixels(Vector (&d)[kPoints]) {
  auto along = [&d](int first, int step) {
    const Vector a = d[first], b = d[first + step], c = d[first + 2 * step], e = d[first + 3 * step];
    d[first] = a - c, d[first + step] = b + c, d[first + 2 * step] = c - b, d[first + 3 * step] = b - e;
  };
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) along(j, 4);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) along(4 * i, 1);
}

// g -> G g G^T, where G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1]
void transform_taps(const Vector (&g)[kTaps], Vector (&u)[kPoints]) {
  const Vector half = broadcast(0.5f);
  auto along = [half](Vector a, Vector b, Vector c, Vector* to, int step) {
    const Vector outer = half * (a + c), inner = half * b;
    to[0] = a, to[step] = outer + inner, to[2 * step] = outer - inner, to[3 * step] = c;
  };
  Vector rows[12];  // [4][3]
#pragma GCC unroll 3
  for (int j = 0; j < 3; ++j) along(g[j], g[3 + j], g[6 + j], rows + j, 3);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) along(rows[3 * i], rows[3 * i + 1], rows[3 * i + 2], u + 4 * i, 1);
}

// m -> A^T m A, where A^T = [1 1 1 0; 0 1 -1 -1]
void transform_products(const float* m, int64_t point, Vector (&y)[4]) {
  Vector rows[8];  // [2][4]
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    auto at = [=](int i) { return load(m + (4 * i + j) * point, AllLanes{}); };
    const Vector b = at(1), c = at(2);
    rows[j] = at(0) + b + c, rows[4 + j] = b - c - at(3);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    const Vector* row = rows + 4 * i;
    y[2 * i] = row[0] + row[1] + row[2], y[2 * i + 1] = row[1] - row[2] - row[3];
  }
}

struct Place {
  int64_t image, row, column;  // of a tile's upper left pixel in the result
};

Place place_of(const Problem& p, int64_t tile) {
  const int64_t columns = p.tile_columns(), rows = p.tile_rows();
  return {tile / (rows * columns), tile / columns % rows * 2, tile % columns * 2};
}

// `Words`: Number (in memory), kPair, kRows (tiles of one product) and kRegisters (of their output channels); dot() multiplies
// words and adds, split() reads numbers into kPair registers, join() makes words of them, put() writes numbers.
template <class Words>
struct Winograd {
  using Number = typename Words::Number;
  static constexpr int64_t kPair = Words::kPair, kRows = Words::kRows, kRegisters = Words::kRegisters;
  static constexpr int64_t kOut = kRegisters * lanes, kIn = kPair * lanes;

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
          for (int i = 0; i < kPair; ++i) transform_taps(taps[i], points[i]);
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
    const int64_t words = p.in / kPair, point = rows_of(tiles.last - tiles.first) * words;
    for (int64_t tile = tiles.first; tile < tiles.last; ++tile, maps += words) {
      const Place at = place_of(p, tile);
      const Number* pixels[kPoints];
      for (int i = 0; i < kPoints; ++i) {
        const int64_t y = at.row + i / 4 - 1, x = at.column + i % 4 - 1;
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
        for (int k = 0; k < kPair; ++k) transform_pixels(points[k]);
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
    for (int64_t lane = 0; lane < kOut; lane += lanes) {
      const int64_t channel = block * kOut + lane;
      const Vector bias = load(static_cast<const Number*>(p.bias) + channel, AllLanes{});
      Vector pixels[4];
      transform_products(products + lane, point, pixels);
      for (int i = 0; i < 4; ++i) {
        const int64_t y = at.row + i / 2, x = at.column + i % 2;
        if (y >= p.height || x >= p.width) continue;
        const int64_t to = ((at.image * p.height + y) * p.width + x) * p.out + channel;
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

  static constexpr Kernel kernel(int64_t tiles_at_once) {
    return {kIn, kOut, kPair, tiles_at_once, &transform, &scratch_bytes, &run};
  }
};

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
