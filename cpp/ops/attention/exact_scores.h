// Scores as products of the dtype itself, summed in float32. For the ISAs' files only.
#pragma once

#include "ops/attention/tiles.h"

namespace catvton::ops::attention_cpu {
namespace {

template <class Isa>
struct ExactScores {
  using Vec = typename Isa::Vec;
  static constexpr int kLanes = Isa::kLanes, kRows = Isa::kRows, kPair = Isa::kPair, kQueries = queries_of<Isa>;
  static constexpr int64_t kChain = 64;  // products that are added one after the other

  // Of a head with so many keys, a multiple of kLanes.
  static int64_t packed_words(int64_t keys, int64_t size) { return keys * (size / kPair); }

  static void pack(const Problem& p, int64_t head, float* packed) {
    const auto* keys = head_of<Isa>(p.key, p, head);
    for (int64_t key = 0; key < p.keys; key += kLanes) {
      pack_keys<Isa>(packed, key, p.size / kPair, row_of(p.key, keys, key, p.keys));
    }
  }

  // Of the kQueries queries from `first` on.
  ExactScores(const Problem& p, int64_t head, int64_t first, const float* packed)
      : packed_(packed), words_(p.size / kPair), scale_(Isa::set(p.scale * kLog2e)) {
    const auto* queries = head_of<Isa>(p.query, p, head);
    for (int v = 0; v < 3; ++v) {
      turned<Isa>(words_, row_of(p.query, queries, first + v * kLanes, p.queries),
                  [&](int64_t word, Vec x) { Isa::store(query_ + word * kQueries + v * kLanes, x); });
    }
  }

  // Scores of kRows keys from `key` on, given to `end`. Long heads are summed in parts: the error of a float32 sum grows
  // with its length.
  template <class End>
  void operator()(int64_t key, const End& end) const {
    const float* keys = packed_ + key * words_;
    constexpr FromZero<Isa> zero;
    if (words_ <= kChain) return tile<Isa, Isa>(keys, kRows, query_, words_, zero, end);
    alignas(64) float parts[kRows * kQueries];
    tile<Isa, Isa>(keys, kRows, query_, kChain, zero, ToSums<Isa>{parts});
    for (int64_t word = kChain; word < words_; word += kChain) {
      const int64_t here = least(words_ - word, kChain);
      const auto add = [&](const auto& then) {
        tile<Isa, Isa>(keys + word * kRows, kRows, query_ + word * kQueries, here, zero, adding<Isa>(parts, then));
      };
      word + here < words_ ? add(ToSums<Isa>{parts}) : add(end);
    }
  }

  // Of the keys from `key` on to the block's end, and the queries of register `v`: exp(score) is
  // exp2(what operator() wrote * scale - offset), up to a factor for each query.
  Vec scale(int64_t, int) const { return scale_; }
  Vec offset(int64_t, int) const { return Isa::zero(); }

 private:
  static auto row_of(const Strided& t, const typename Isa::Element* base, int64_t token, int64_t tokens) {
    return [&t, base, token, tokens](int i, int64_t word, int count) {
      return token + i < tokens ? Isa::load_words(base + (token + i) * t.token + word * kPair, count) : Isa::zero();
    };
  }

  alignas(64) float query_[kLargestSize / kPair * kQueries];
  const float* packed_;
  int64_t words_;
  Vec scale_;
};

}  // namespace
}  // namespace catvton::ops::attention_cpu
