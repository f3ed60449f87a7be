// Flash attention (Dao et al., arXiv 2205.14135: scores of one block of keys at a time, a running maximum and sum for
// the softmax) as the CPU kernels share it. Included by the ISA files only, each of which brings its `Isa`.
//
// Everything is transposed: a register's lanes are queries, three registers side by side make a block. So maxima, sums
// and corrections are vertical, and both products are one and the same tile: kRows x 3 registers of sums, which take a
// broadcast word of K (or V) times three registers of Q (or P) at each step.
//
//   S^T [keys, queries] = K [keys, words] Q^T [words, queries]       steps over the words of a head
//   O^T [size, queries] += V^T [size, words] P^T [words, queries]    steps over the words of a block of keys
//
// A word is what one lane multiplies at once: a float, or a pair of bfloat16. Every size that is a multiple of 8 fills
// whole tiles: 40, 80 and 160 are not padded to powers of two.
//
// `Isa`: Element, Vec, kLanes, kPair (elements a word), kRows (of a tile), and the functions used below.
#pragma once

#include "ops/attention/kernels.h"

namespace catvton::ops::attention_cpu {
namespace {

template <class Isa>
struct Flash {
  using Element = typename Isa::Element;
  using Vec = typename Isa::Vec;
  static constexpr int kLanes = Isa::kLanes, kRows = Isa::kRows, kPair = Isa::kPair;
  static constexpr int kQueries = 3 * kLanes;
  static constexpr int64_t kChain = 64;  // products that are added one after the other, for a score
  static constexpr float kLog2e = 1.44269504f;

  static int64_t round_up(int64_t n, int64_t to) { return (n + to - 1) / to * to; }
  static int64_t padded(int64_t keys) { return round_up(keys, kLanes); }

  // Packed: K as [keys / kRows][size / kPair][kRows] words, then V as [keys / kPair][size] words.
  static int64_t key_words(int64_t keys, int64_t size) { return padded(keys) * (size / kPair); }
  static int64_t packed_bytes(int64_t keys, int64_t size) {
    return round_up(4 * (key_words(keys, size) + padded(keys) / kPair * size), 64);
  }

  static const Element* head_of(const Strided& t, const Problem& p, int64_t head) {
    return static_cast<const Element*>(t.data) + head / p.heads * t.batch + head % p.heads * t.head;
  }
  static float* packed_of(const Problem& p, int64_t head) {
    return reinterpret_cast<float*>(static_cast<char*>(p.packed) + head * packed_bytes(p.keys, p.size));
  }

  // kLanes tokens from `token` on, kLanes words of each from `word` on, turned: x[w] holds word w of every token.
  static void load_turned(const Strided& t, const Element* base, int64_t token, int64_t tokens, int64_t word,
                          int64_t words, Vec (&x)[kLanes]) {
    const int count = static_cast<int>(words - word < kLanes ? words - word : kLanes);
    for (int i = 0; i < kLanes; ++i) {
      x[i] = token + i < tokens ? Isa::load_words(base + (token + i) * t.token + word * kPair, count) : Isa::zero();
    }
    Isa::turn(x);
  }

  static void pack(const Problem& p, int64_t head) {
    const int64_t words = p.size / kPair;
    const Element* keys = head_of(p.key, p, head);
    const Element* values = head_of(p.value, p, head);
    float* packed = packed_of(p, head);
    for (int64_t token = 0; token < padded(p.keys); token += kLanes) {
      for (int64_t word = 0; word < words; word += kLanes) {
        Vec x[kLanes];
        load_turned(p.key, keys, token, p.keys, word, words, x);
        for (int w = 0; w < kLanes && word + w < words; ++w) {
          alignas(64) float lanes[kLanes];
          Isa::store(lanes, x[w]);
          for (int r = 0; r < kLanes; r += kRows) {
            __builtin_memcpy(packed + (token + r) * words + (word + w) * kRows, lanes + r, 4 * kRows);
          }
        }
      }
    }
    float* to = packed + key_words(p.keys, p.size);
    for (int64_t token = 0; token < padded(p.keys); token += kPair, to += p.size) {
      const Element* row = values + token * p.value.token;
      for (int64_t d = 0; d < p.size; d += 8) {
        Isa::pack_values(row + d, row + d + p.value.token, p.keys - token, to + d);
      }
    }
  }

  // a b, where a is [steps][kRows] words `step` words apart, and b [steps][kQueries]. It is written to `sums`
  // [kRows][kQueries], added to what stands there, or added to that times `factor`.
  enum class Sums { write, add, scale_and_add };
  template <Sums kSums>
  [[gnu::noinline]] static void tile(const float* a, int64_t step, const float* b, int64_t steps, float* sums,
                                     const Vec* factor = nullptr) {
    Vec s[kRows][3];
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
      for (int v = 0; v < 3; ++v) {
        s[r][v] = kSums == Sums::scale_and_add ? Isa::mul(Isa::load(sums + r * kQueries + v * kLanes), factor[v])
                                               : Isa::zero();
      }
    }
    for (int64_t i = 0; i < steps; ++i, a += step, b += kQueries) {
      const Vec b0 = Isa::load(b), b1 = Isa::load(b + kLanes), b2 = Isa::load(b + 2 * kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
        const Vec w = Isa::broadcast(a + r);
        s[r][0] = Isa::dot(s[r][0], w, b0);
        s[r][1] = Isa::dot(s[r][1], w, b1);
        s[r][2] = Isa::dot(s[r][2], w, b2);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 3
      for (int v = 0; v < 3; ++v) {
        float* to = sums + r * kQueries + v * kLanes;
        Isa::store(to, kSums == Sums::add ? Isa::add(Isa::load(to), s[r][v]) : s[r][v]);
      }
    }
  }

  // Scores of kRows keys. Long heads are summed in parts: the error of a float32 sum grows with its length.
  static void score(const float* keys, const float* query, int64_t words, float* scores) {
    tile<Sums::write>(keys, kRows, query, words < kChain ? words : kChain, scores);
    for (int64_t word = kChain; word < words; word += kChain) {
      const int64_t here = words - word < kChain ? words - word : kChain;
      tile<Sums::add>(keys + word * kRows, kRows, query + word * kQueries, here, scores);
    }
  }

  static void raise(Vec (&most)[3], const float* scores, int64_t keys) {
    for (int64_t k = 0; k < keys; ++k) {
#pragma GCC unroll 3
      for (int v = 0; v < 3; ++v) most[v] = Isa::max(most[v], Isa::load(scores + k * kQueries + v * kLanes));
    }
  }

  // Scores -> probabilities in place (in words: pairs of bfloat16 take half the rows). `m` is the running
  // maximum of score * scale; the caller has corrected `sum` for it.
  static void exponentials(float* scores, int64_t keys, Vec scale, Vec m, Vec& sum) {
    if constexpr (kPair == 1) {
      for (int64_t k = 0; k < keys; ++k) {
        const Vec p = Isa::exp2(Isa::fmsub(Isa::load(scores + k * kQueries), scale, m));
        sum = Isa::add(sum, p);
        Isa::store(scores + k * kQueries, p);
      }
    } else {
      for (int64_t k = 0; k < keys; k += 2) {
        const Vec p0 = Isa::exp2(Isa::fmsub(Isa::load(scores + k * kQueries), scale, m));
        const Vec p1 = Isa::exp2(Isa::fmsub(Isa::load(scores + (k + 1) * kQueries), scale, m));
        sum = Isa::add(sum, Isa::add(p0, p1));
        Isa::store(scores + k / 2 * kQueries, Isa::pair(p0, p1));
      }
    }
  }

  static void run(const Problem& p, int64_t head, int64_t block) {
    alignas(64) float query[kLargestSize / kPair * kQueries];
    alignas(64) float scores[kKeyBlock * kQueries];
    alignas(64) float out[(kLargestSize + kLanes) * kQueries];
    const int64_t words = p.size / kPair, first = block * kQueries;
    for (int v = 0; v < 3; ++v) {
      for (int64_t word = 0; word < words; word += kLanes) {
        Vec x[kLanes];
        load_turned(p.query, head_of(p.query, p, head), first + v * kLanes, p.queries, word, words, x);
        for (int w = 0; w < kLanes && word + w < words; ++w) {
          Isa::store(query + (word + w) * kQueries + v * kLanes, x[w]);
        }
      }
    }
    const float* keys = packed_of(p, head);
    const float* values = keys + key_words(p.keys, p.size);
    const Vec scale = Isa::set(p.scale * kLog2e);
    Vec m[3], sum[3], correction[3];
    for (int v = 0; v < 3; ++v) m[v] = Isa::set(-3.0e38f), sum[v] = Isa::zero();
    for (int64_t i = 0; i < round_up(p.size, kLanes) * kQueries; i += kLanes) Isa::store(out + i, Isa::zero());

    for (int64_t key = 0; key < p.keys; key += kKeyBlock) {
      const int64_t left = p.keys - key < kKeyBlock ? p.keys - key : kKeyBlock, here = padded(left);
      Vec most[3];
      for (int v = 0; v < 3; ++v) most[v] = Isa::set(-__builtin_inff());
      for (int64_t k = 0; k < here; k += kRows) {
        score(keys + (key + k) * words, query, words, scores + k * kQueries);
        raise(most, scores + k * kQueries, left - k < kRows ? left - k : kRows);
      }
      for (int64_t i = left * kQueries; i < here * kQueries; i += kLanes) {
        Isa::store(scores + i, Isa::set(-__builtin_inff()));  // padding: no probability
      }
      for (int v = 0; v < 3; ++v) {
        const Vec higher = Isa::max(m[v], Isa::mul(most[v], scale));
        correction[v] = Isa::exp2(Isa::sub(m[v], higher));
        m[v] = higher;
        sum[v] = Isa::mul(sum[v], correction[v]);
        exponentials(scores + v * kLanes, here, scale, m[v], sum[v]);
      }
      const float* from = values + key / kPair * p.size;
      for (int64_t d = 0; d < p.size; d += kRows) {
        tile<Sums::scale_and_add>(from + d, p.size, scores, here / kPair, out + d * kQueries, correction);
      }
    }
    write(p, head, first, out, sum);
  }

  static void write(const Problem& p, int64_t head, int64_t first, const float* out, const Vec (&sum)[3]) {
    const int64_t row = p.heads * p.size;
    Element* to = static_cast<Element*>(p.out) + (head / p.heads * p.queries * p.heads + head % p.heads) * p.size;
    for (int v = 0; v < 3; ++v) {
      const int64_t query = first + v * kLanes;
      for (int64_t d = 0; d < p.size; d += kLanes) {
        Vec x[kLanes];
        for (int i = 0; i < kLanes; ++i) x[i] = Isa::div(Isa::load(out + (d + i) * kQueries + v * kLanes), sum[v]);
        Isa::turn(x);
        const int count = static_cast<int>(p.size - d < kLanes ? p.size - d : kLanes);
        for (int i = 0; i < kLanes && query + i < p.queries; ++i)
          Isa::store_out(to + (query + i) * row + d, x[i], count);
      }
    }
  }

  static constexpr Kernel kernel{kQueries, &packed_bytes, &pack, &run};
};

}  // namespace
}  // namespace catvton::ops::attention_cpu
