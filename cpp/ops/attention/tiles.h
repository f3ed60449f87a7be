// The one product of flash attention (flash.h), and how its operands get there. For the ISAs' files only.
//
// A register's lanes are queries, three registers side by side make a block. Both products are the same tile: kRows x 3
// registers of sums, which take a broadcast word of K (or V) times three registers of Q (or P) at each step. A word is
// what one lane multiplies at once: a float, a pair of bfloat16 or four bytes.
//
// `Isa`: Element, Vec, kLanes, kPair (elements a word), kRows (of a tile), and the functions used below.
#pragma once

#include "ops/attention/kernels.h"

namespace catvton::ops::attention_cpu {
namespace {

template <class Isa>
constexpr int queries_of = 3 * Isa::kLanes;

constexpr float kLog2e = 1.44269504f;

inline int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// What goes into a tile's sums, [kRows][queries]: the product, what stands there and the product, or that times a factor
// and the product.
enum class Sums { write, add, scale_and_add };

// a b, where a is [steps][kRows] words `step` words apart, and b [steps][queries]. `Words` multiplies: dot() adds to a
// register of sums, to_float() makes numbers of them.
template <class Isa, class Words, Sums kSums>
[[gnu::noinline]] static void tile(const float* a, int64_t step, const float* b, int64_t steps, float* sums,
                                   const typename Isa::Vec* factor = nullptr) {
  using Vec = typename Isa::Vec;
  constexpr int kLanes = Isa::kLanes, kRows = Isa::kRows, kQueries = queries_of<Isa>;
  Vec s[kRows][3];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < 3; ++v) {
      s[r][v] =
          kSums == Sums::scale_and_add ? Isa::mul(Isa::load(sums + r * kQueries + v * kLanes), factor[v]) : Isa::zero();
    }
  }
  for (int64_t i = 0; i < steps; ++i, a += step, b += kQueries) {
    const Vec b0 = Isa::load(b), b1 = Isa::load(b + kLanes), b2 = Isa::load(b + 2 * kLanes);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const Vec w = Isa::broadcast(a + r);
      s[r][0] = Words::dot(s[r][0], w, b0);
      s[r][1] = Words::dot(s[r][1], w, b1);
      s[r][2] = Words::dot(s[r][2], w, b2);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < 3; ++v) {
      float* to = sums + r * kQueries + v * kLanes;
      const Vec sum = Words::to_float(s[r][v]);
      Isa::store(to, kSums == Sums::add ? Isa::add(Isa::load(to), sum) : sum);
    }
  }
}

// kLanes tokens, each of `words` words, turned: give(w, lanes) gets word w of every token. row(i, w, count): `count`
// words of token i from w on.
template <class Isa, class Row, class Give>
void turned(int64_t words, const Row& row, const Give& give) {
  constexpr int kLanes = Isa::kLanes;
  for (int64_t word = 0; word < words; word += kLanes) {
    const int count = static_cast<int>(least(words - word, kLanes));
    typename Isa::Vec x[kLanes];
    for (int i = 0; i < kLanes; ++i) x[i] = row(i, word, count);
    Isa::turn(x);
    for (int w = 0; w < count; ++w) give(word + w, x[w]);
  }
}

// The words of kLanes keys from `key` on, as tiles take them: [keys / kRows][words][kRows].
template <class Isa, class Row>
void pack_keys(float* packed, int64_t key, int64_t words, const Row& row) {
  constexpr int kLanes = Isa::kLanes, kRows = Isa::kRows;
  turned<Isa>(words, row, [&](int64_t word, typename Isa::Vec x) {
    alignas(64) float lanes[kLanes];
    Isa::store(lanes, x);
    for (int r = 0; r < kLanes; r += kRows) {
      __builtin_memcpy(packed + (key + r) * words + word * kRows, lanes + r, 4 * kRows);
    }
  });
}

template <class Isa>
const typename Isa::Element* head_of(const Strided& t, const Problem& p, int64_t head) {
  return static_cast<const typename Isa::Element*>(t.data) + head / p.heads * t.batch + head % p.heads * t.head;
}

}  // namespace
}  // namespace catvton::ops::attention_cpu
