// Flash attention (Dao et al., arXiv 2205.14135: scores of one block of keys at a time, a running maximum and sum for
// the softmax) as the CPU kernels share it. Included by the ISA files only, each of which brings its `Isa`.
//
// Everything is transposed (tiles.h), so that maxima, sums and corrections are vertical:
//
//   S^T [keys, queries] = K [keys, words] Q^T [words, queries]       steps over the words of a head
//   O^T [size, queries] += V^T [size, words] P^T [words, queries]    steps over the words of a block of keys
//
// Every size that is a multiple of 8 fills whole tiles: 40, 80 and 160 are not padded to powers of two.
//
// `Scores` makes the first product: exact_scores.h, or int8_scores.h.
#pragma once

#include "ops/attention/tiles.h"

namespace catvton::ops::attention_cpu {
namespace {

template <class Isa, class Scores>
struct Flash {
  using Element = typename Isa::Element;
  using Vec = typename Isa::Vec;
  static constexpr int kLanes = Isa::kLanes, kRows = Isa::kRows, kPair = Isa::kPair, kQueries = queries_of<Isa>;

  static int64_t padded(int64_t keys) { return round_up(keys, kLanes); }

  // Packed: K as Scores has it, then V as [keys / kPair][size] words.
  static int64_t packed_bytes(int64_t keys, int64_t size) {
    return round_up(4 * (Scores::packed_words(padded(keys), size) + padded(keys) / kPair * size), 64);
  }
  static float* packed_of(const Problem& p, int64_t head) {
    return reinterpret_cast<float*>(static_cast<char*>(p.packed) + head * packed_bytes(p.keys, p.size));
  }

  static void pack(const Problem& p, int64_t head) {
    float* packed = packed_of(p, head);
    Scores::pack(p, head, packed);
    const Element* values = head_of<Isa>(p.value, p, head);
    float* to = packed + Scores::packed_words(padded(p.keys), p.size);
    for (int64_t token = 0; token < padded(p.keys); token += kPair, to += p.size) {
      const Element* row = values + token * p.value.token;
      for (int64_t d = 0; d < p.size; d += 8) {
        Isa::pack_values(row + d, row + d + p.value.token, p.keys - token, to + d);
      }
    }
  }

  static void raise(Vec (&most)[3], const float* scores, int64_t keys) {
    for (int64_t k = 0; k < keys; ++k) {
#pragma GCC unroll 3
      for (int v = 0; v < 3; ++v) most[v] = Isa::max(most[v], Isa::load(scores + k * kQueries + v * kLanes));
    }
  }

  // Scores -> probabilities in place (in words: pairs of bfloat16 take half the rows). `m` is the running
  // maximum of score * scale - offset, plus offset; the caller has corrected `sum` for it.
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
    alignas(64) float probabilities[kKeyBlock * kQueries];
    alignas(64) float out[(kLargestSize + kLanes) * kQueries];
    const int64_t first = block * kQueries;
    const float* packed = packed_of(p, head);
    const float* values = packed + Scores::packed_words(padded(p.keys), p.size);
    const Scores score(p, head, first, packed);
    Vec m[3], sum[3], correction[3];
    for (int v = 0; v < 3; ++v) m[v] = Isa::set(-3.0e38f), sum[v] = Isa::zero();
    for (int64_t i = 0; i < round_up(p.size, kLanes) * kQueries; i += kLanes) Isa::store(out + i, Isa::zero());

    for (int64_t key = 0; key < p.keys; key += kKeyBlock) {
      const int64_t left = least(p.keys - key, kKeyBlock), here = padded(left);
      float* scores = probabilities;  // until exponentials() turns them into these
      Vec most[3];
      for (int v = 0; v < 3; ++v) most[v] = Isa::set(-__builtin_inff());
      for (int64_t k = 0; k < here; k += kRows) {
        score(key + k, scores + k * kQueries);
        raise(most, scores + k * kQueries, least(left - k, kRows));
      }
      for (int64_t i = left * kQueries; i < here * kQueries; i += kLanes) {
        Isa::store(scores + i, Isa::set(-__builtin_inff()));  // padding: no probability
      }
      for (int v = 0; v < 3; ++v) {
        const Vec scale = score.scale(key, v), offset = score.offset(key, v);
        const Vec higher = Isa::max(m[v], Isa::fmsub(most[v], scale, offset));
        correction[v] = Isa::exp2(Isa::sub(m[v], higher));
        m[v] = higher;
        sum[v] = Isa::mul(sum[v], correction[v]);
        exponentials(scores + v * kLanes, here, scale, Isa::add(m[v], offset), sum[v]);
      }
      const float* from = values + key / kPair * p.size;
      for (int64_t d = 0; d < p.size; d += kRows) {
        tile<Isa, Isa, Sums::scale_and_add>(from + d, p.size, probabilities, here / kPair, out + d * kQueries,
                                            correction);
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
        const int count = static_cast<int>(least(p.size - d, kLanes));
        for (int i = 0; i < kLanes && query + i < p.queries; ++i)
          Isa::store_out(to + (query + i) * row + d, x[i], count);
      }
    }
  }

  static constexpr Kernel kernel{kQueries, &packed_bytes, &pack, &run};
};

}  // namespace
}  // namespace catvton::ops::attention_cpu
