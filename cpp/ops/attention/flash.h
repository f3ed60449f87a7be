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

  // Of one block of keys, for the three registers of queries.
  struct Softmax {
    Vec scale[3], offset[3];  // exp(score) is exp2(score * scale - offset), up to a factor for each query
    Vec (&m)[3], (&sum)[3];   // running: a maximum of score * scale - offset, the sum of probabilities
    Vec above(int v) const { return Isa::add(m[v], offset[v]); }
    Vec maximum(int v, Vec score) const { return Isa::fmsub(score, scale[v], offset[v]); }
  };

  static Vec probability(Vec score, Vec scale, Vec above, Vec& sum) {
    const Vec p = Isa::exp2(Isa::fmsub(score, scale, above));
    sum = Isa::add(sum, p);
    return p;
  }

  // Probabilities of the block's `left` keys, as words. First `m` is raised to their maximum, for queries whose scores are
  // far above it; `correction` is what sums of the blocks before must be multiplied by then.
  static void with_maximum(const Scores& score, int64_t key, int64_t left, Softmax& softmax, float* words,
                           Vec (&correction)[3]) {
    float* scores = words;
    const int64_t here = padded(left);
    Vec most[3];
    for (int v = 0; v < 3; ++v) most[v] = Isa::set(-__builtin_inff());
    for (int64_t k = 0; k < here; k += kRows) {
      score(key + k, ToSums<Isa>{scores + k * kQueries});
      raise(most, scores + k * kQueries, least(left - k, kRows));
    }
    for (int64_t i = left * kQueries; i < here * kQueries; i += kLanes) {
      Isa::store(scores + i, Isa::set(-__builtin_inff()));  // padding: no probability
    }
    for (int v = 0; v < 3; ++v) {
      const Vec higher = softmax.maximum(v, most[v]), rise = Isa::sub(higher, softmax.m[v]);
      correction[v] = Isa::where_above(rise, Isa::kFar, Isa::exp2(Isa::sub(softmax.m[v], higher)), Isa::set(1));
      softmax.m[v] = Isa::where_above(rise, Isa::kFar, higher, softmax.m[v]);
      softmax.sum[v] = Isa::mul(softmax.sum[v], correction[v]);
      exponentials(scores + v * kLanes, here, softmax.scale[v], softmax.above(v), softmax.sum[v]);
    }
  }

  static void raise(Vec (&most)[3], const float* scores, int64_t keys) {
    for (int64_t k = 0; k < keys; ++k) {
#pragma GCC unroll 3
      for (int v = 0; v < 3; ++v) most[v] = Isa::max(most[v], Isa::load(scores + k * kQueries + v * kLanes));
    }
  }

  // Scores -> probabilities in place (in words: pairs of bfloat16 take half the rows).
  static void exponentials(float* scores, int64_t keys, Vec scale, Vec above, Vec& sum) {
    for (int64_t k = 0; k < keys; k += kPair) {
      Vec p[kPair];
      for (int i = 0; i < kPair; ++i) p[i] = probability(Isa::load(scores + (k + i) * kQueries), scale, above, sum);
      Isa::store(scores + k / kPair * kQueries, Isa::word(p));
    }
  }

  // The same of a whole block, from the registers that scores are summed in, with `m` as it is. The softmax does not
  // depend on what is subtracted as long as nothing overflows, so that a maximum of earlier keys serves (as in
  // FlashAttention-4). False where a score is far above it: then nothing has changed.
  static bool without_maximum(const Scores& score, int64_t key, Softmax& softmax, float* words) {
    Vec above[3], most[3], sum[3];
    for (int v = 0; v < 3; ++v) {
      above[v] = softmax.above(v), most[v] = Isa::set(-__builtin_inff()), sum[v] = softmax.sum[v];
    }
    for (int64_t k = 0; k < kKeyBlock; k += kRows) {
      score(key + k, ToProbabilities{words + k / kPair * kQueries, softmax.scale, above, most, sum});
    }
    for (int v = 0; v < 3; ++v) {
      if (Isa::any_above(Isa::sub(softmax.maximum(v, most[v]), softmax.m[v]), Isa::kFar)) return false;
    }
    for (int v = 0; v < 3; ++v) softmax.sum[v] = sum[v];
    return true;
  }

  struct ToProbabilities {
    float* words;
    const Vec (&scale)[3], (&above)[3];
    Vec (&most)[3], (&sum)[3];
    [[gnu::always_inline]] void operator()(TileSums<Isa>& s) const {
#pragma GCC unroll 3
      for (int v = 0; v < 3; ++v) {
        Vec top = most[v], total = sum[v];
#pragma GCC unroll 8
        for (int r = 0; r < kRows; r += kPair) {
          Vec p[kPair];
#pragma GCC unroll 2
          for (int i = 0; i < kPair; ++i) {
            top = Isa::max(top, s[r + i][v]);
            p[i] = probability(s[r + i][v], scale[v], above[v], total);
          }
          Isa::store(words + r / kPair * kQueries + v * kLanes, Isa::word(p));
        }
        most[v] = top, sum[v] = total;
      }
    }
  };

  static void run(const Problem& p, int64_t head, int64_t block) {
    alignas(64) float probabilities[kKeyBlock * kQueries];  // scores, until they are turned into these
    alignas(64) float out[(kLargestSize + kLanes) * kQueries];
    const int64_t first = block * kQueries;
    const float* packed = packed_of(p, head);
    const float* values = packed + Scores::packed_words(padded(p.keys), p.size);
    const Scores score(p, head, first, packed);
    Vec m[3], sum[3], correction[3];
    for (int v = 0; v < 3; ++v) m[v] = Isa::set(-3.0e38f), sum[v] = Isa::zero();
    for (int64_t i = 0; i < round_up(p.size, kLanes) * kQueries; i += kLanes) Isa::store(out + i, Isa::zero());

    for (int64_t key = 0; key < p.keys; key += kKeyBlock) {
      const int64_t left = least(p.keys - key, kKeyBlock);
      Softmax softmax{{}, {}, m, sum};
      for (int v = 0; v < 3; ++v) softmax.scale[v] = score.scale(key, v), softmax.offset[v] = score.offset(key, v);
      const bool kept =
          Isa::kFar > 0 && key > 0 && left == kKeyBlock && without_maximum(score, key, softmax, probabilities);
      if (!kept) with_maximum(score, key, left, softmax, probabilities, correction);
      const float* from = values + key / kPair * p.size;
      for (int64_t d = 0; d < p.size; d += kRows) {
        float* sums = out + d * kQueries;
        const auto add_to = [&](const auto& begin) {
          tile<Isa, Isa>(from + d, p.size, probabilities, padded(left) / kPair, begin, ToSums<Isa>{sums});
        };
        if (kept) {
          add_to(FromSums<Isa>{sums});
        } else {
          add_to(FromScaledSums<Isa>{sums, correction});
        }
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
