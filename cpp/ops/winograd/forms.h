// The transformations of Winograd's convolution over the vectors of the file that includes this one: of a tile's pixels (d),
// of a channel's weights (g), and of the products' sums (m), after which the tile is 2 x 2 pixels of the result (y).
#include "ops/winograd/kernels.h"

namespace catvton::ops::winograd {
namespace {

// F(2x2, 3x3): tiles of 4 x 4 pixels.
struct SameSize {
  static constexpr Form kForm = same_size;
  static constexpr int64_t kPoints = kForm.points;

  // d -> B^T d B, where B^T = [1 0 -1 0; 0 1 1 0; 0 -1 1 0; 0 1 0 -1]
  static void pixels(Vector (&d)[kPoints]) {
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
  static void taps(const Vector (&g)[kTaps], Vector (&u)[kPoints]) {
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
  static void products(const float* m, int64_t point, Vector (&y)[4]) {
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
};

// Tiles of 3 x 3 pixels of the smaller map, of which the one in the middle makes four (winograd.h).
struct Upsampled {
  static constexpr Form kForm = upsampled;
  static constexpr int64_t kPoints = kForm.points;

  // d -> B^T d B, where B^T = [1 -1 0; 0 1 0; 0 -1 1]
  static void pixels(Vector (&d)[kPoints]) {
    auto along = [&d](int first, int step) {
      d[first] = d[first] - d[first + step], d[first + 2 * step] = d[first + 2 * step] - d[first + step];
    };
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) along(j, 3);
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) along(3 * i, 1);
  }

  // g -> G g G^T, where G = [1 0 0; 1 1 1; 0 0 1]
  static void taps(const Vector (&g)[kTaps], Vector (&u)[kPoints]) {
#pragma GCC unroll 9
    for (int i = 0; i < kTaps; ++i) u[i] = g[i];
    auto along = [&u](int first, int step) { u[first + step] = u[first] + u[first + step] + u[first + 2 * step]; };
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) along(j, 3);
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) along(3 * i, 1);
  }

  // m -> A^T m A, where A^T = [1 1 0; 0 1 1]
  static void products(const float* m, int64_t point, Vector (&y)[4]) {
    Vector rows[6];  // [2][3]
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j) {
      auto at = [=](int i) { return load(m + (3 * i + j) * point, AllLanes{}); };
      const Vector middle = at(1);
      rows[j] = at(0) + middle, rows[3 + j] = middle + at(2);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const Vector* row = rows + 3 * i;
      y[2 * i] = row[0] + row[1], y[2 * i + 1] = row[1] + row[2];
    }
  }
};

}  // namespace
}  // namespace catvton::ops::winograd
