// The one product of flash attention (flash.h), and how its operands get there. For the ISAs' files only.
//
// A register's lanes are queries, three registers side by side make a block. Both products are the same tile: kRows x 3
// registers of sums, which take a broadcast word of K (or V) times three registers of Q (or P) at each step. A word is
// what one lane multiplies at once: a float, a pair of bfloat16 or four bytes.
//
// `Isa`: Element, Vec, kLanes, kPair (elements a word), kRows (of a tile), kFar (powers of two by which probabilities may
// exceed 1, flash.h), and the functions used below.
#pragma once

#include "ops/attention/kernels.h"

namespace catvton::ops::attention_cpu {
namespace {

template <class Isa>
constexpr int queries_of = 3 * Isa::kLanes;

constexpr float kLog2e = 1.44269504f;

inline int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

template <class Isa>
using TileSums = typename Isa::Vec[Isa::kRows][3];

template <class Isa, class Body>
[[gnu::always_inline]] inline void for_each_sum(const Body& body) {
#pragma GCC unroll 8
  for (int r = 0; r < Isa::kRows; ++r) {
#pragma GCC unroll 3
    for (int v = 0; v < 3; ++v) body(r, v, r * queries_of<Isa> + v * Isa::kLanes);
  }
}

// Where a tile's sums begin: from zero, from what stands in memory, [kRows][queries], or from that times a factor.
template <class Isa>
struct FromZero {
  typename Isa::Vec operator()(int, int) const { return Isa::zero(); }
};
template <class Isa>
struct FromSums {
  const float* sums;
  typename Isa::Vec operator()(int at, int) const { return Isa::load(sums + at); }
};
template <class Isa>
struct FromScaledSums {
  const float* sums;
  const typename Isa::Vec* factor;
  typename Isa::Vec operator()(int at, int v) const { return Isa::mul(Isa::load(sums + at), factor[v]); }
};

// Where they go: to memory, or first others are added.
template <class Isa>
struct ToSums {
  float* sums;
  [[gnu::always_inline]] void operator()(TileSums<Isa>& s) const {
    for_each_sum<Isa>([&](int r, int v, int at) { Isa::store(sums + at, s[r][v]); });
  }
};
template <class Isa, class End>
struct Adding {
  const float* others;
  const End& end;
  [[gnu::always_inline]] void operator()(TileSums<Isa>& s) const {
    for_each_sum<Isa>([&](int r, int v, int at) { s[r][v] = Isa::add(Isa::load(others + at), s[r][v]); });
    end(s);
  }
};

template <class Isa, class End>
Adding<Isa, End> adding(const float* others, const End& end) {
  return {others, end};
}

// end(begin + a b), where a is [steps][kRows] words `step` words apart, and b [steps][queries]. `Words` multiplies: dot()
// adds to a register of sums, to_float() makes numbers of them.
template <class Isa, class Words, class Begin, class End>
[[gnu::noinline]] static void tile(const float* a, int64_t step, const float* b, int64_t steps, const Begin& begin,
                                   const End& end) {
  using Vec = typename Isa::Vec;
  constexpr int kLanes = Isa::kLanes, kRows = Isa::kRows, kQueries = queries_of<Isa>;
  TileSums<Isa> s;
  for_each_sum<Isa>([&](int r, int v, int at) { s[r][v] = begin(at, v); });
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
  for_each_sum<Isa>([&](int r, int v, int) { s[r][v] = Words::to_float(s[r][v]); });
  end(s);
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
