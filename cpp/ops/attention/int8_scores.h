// Scores as products of eight-bit integers, four a lane and instruction (AVX512-VNNI), after SageAttention (Zhang et al.,
// arXiv 2410.02367). **An approximation.** For the files of AVX-512 with VNNI only.
//
// - The mean key is taken from every key first. A query's scores all fall by the same number, which softmax does not see,
//   and what many keys have in common, often most of them, need not be rounded.
// - Queries have a factor each, keys one for each block of kKeyBlock: x = factor * integer, integers from -127 to 127.
// - vpdpbusd takes one operand unsigned. That is K, + 128, which adds 128 (sum of the query's integers) to each of its
//   scores: known, and taken out where they are scaled.
// Integer sums are exact, and so is float32 of them: at most 255 * 127 * kLargestSize < 2^24.
// What is not finite makes its factor NaN: a query's, itself NaN, a key's, all queries of the head.
#pragma once

#include "ops/attention/tiles.h"

namespace catvton::ops::attention_cpu {
namespace {

// Four products of bytes a word, a's unsigned.
struct Int8Words {
  static __m512 dot(__m512 sum, __m512 a, __m512 b) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));  // round the intrinsic, GCC 12 spills every sum
    return sum;
  }
  static __m512 to_float(__m512 sum) { return _mm512_cvtepi32_ps(_mm512_castps_si512(sum)); }
};

// `Isa`: also load_numbers(from, count), up to kLanes elements as float32, the others 0.
template <class Isa>
struct Int8Scores {
  using Element = typename Isa::Element;
  using Vec = __m512;
  static constexpr int kLanes = Isa::kLanes, kRows = Isa::kRows, kQueries = queries_of<Isa>, kBytes = 4;

  // The keys' words, then the factor of each of their blocks.
  static int64_t key_words(int64_t keys, int64_t size) { return round_up(keys, kLanes) * (size / kBytes); }
  static int64_t packed_words(int64_t keys, int64_t size) {
    return key_words(keys, size) + round_up(keys, kKeyBlock) / kKeyBlock;
  }

  static void pack(const Problem& p, int64_t head, float* packed) {
    const Element* keys = head_of<Isa>(p.key, p, head);
    alignas(64) float mean[kLargestSize + kLanes];
    set_mean(mean, keys, p);
    float* factors = packed + key_words(p.keys, p.size);
    for (int64_t block = 0; block < p.keys; block += kKeyBlock) {
      const int64_t end = least(block + kKeyBlock, p.keys);
      Vec most = Isa::zero();
      for (int64_t key = block; key < end; ++key) most = larger(most, keys + key * p.key.token, mean, p.size);
      const float factor = factor_of(most);
      *factors++ = factor;
      for (int64_t key = block; key < end; key += kLanes) {
        alignas(64) int8_t rows[kLanes][kLargestSize] = {};
        for (int64_t i = 0; i < kLanes && key + i < end; ++i) {
          round(rows[i], keys + (key + i) * p.key.token, mean, factor, p.size);
        }
        pack_keys<Isa>(packed, key, p.size / kBytes, [&](int i, int64_t word, int count) {
          return _mm512_castsi512_ps(_mm512_xor_si512(words(rows[i], word, count), _mm512_set1_epi8(-128)));  // + 128
        });
      }
    }
  }

  // Of the kQueries queries from `first` on.
  Int8Scores(const Problem& p, int64_t head, int64_t first, const float* packed)
      : packed_(packed), words_(p.size / kBytes), factors_(packed + key_words(p.keys, p.size)) {
    const Element* queries = head_of<Isa>(p.query, p, head);
    alignas(64) float none[kLargestSize + kLanes] = {};
    for (int v = 0; v < 3; ++v) {
      alignas(64) int8_t rows[kLanes][kLargestSize] = {};
      alignas(64) float scale[kLanes] = {}, offset[kLanes] = {};
      for (int64_t i = 0, query = first + v * kLanes; i < kLanes && query < p.queries; ++i, ++query) {
        const Element* row = queries + query * p.query.token;
        const float factor = factor_of(larger(Isa::zero(), row, none, p.size));
        scale[i] = factor * (p.scale * kLog2e);
        offset[i] = scale[i] * 128 * static_cast<float>(round(rows[i], row, none, factor, p.size));
      }
      scale_[v] = Isa::load(scale), offset_[v] = Isa::load(offset);
      turned<Isa>(
          words_, [&](int i, int64_t word, int count) { return _mm512_castsi512_ps(words(rows[i], word, count)); },
          [&](int64_t word, Vec x) { Isa::store(query_ + word * kQueries + v * kLanes, x); });
    }
  }

  template <class End>
  void operator()(int64_t key, const End& end) const {
    tile<Isa, Int8Words>(packed_ + key * words_, kRows, query_, words_, FromZero<Isa>{}, end);
  }
  Vec scale(int64_t key, int v) const { return Isa::mul(scale_[v], Isa::set(factors_[key / kKeyBlock])); }
  Vec offset(int64_t key, int v) const { return Isa::mul(offset_[v], Isa::set(factors_[key / kKeyBlock])); }

 private:
  // body(d, 16 numbers of a row less the mean's)
  template <class Body>
  static void differences(const Element* row, const float* mean, int64_t size, const Body& body) {
    for (int64_t d = 0; d < size; d += kLanes) {
      const int count = static_cast<int>(least(size - d, kLanes));
      body(d, Isa::sub(Isa::load_numbers(row + d, count), Isa::load(mean + d)));
    }
  }

  static void set_mean(float* mean, const Element* keys, const Problem& p) {
    for (int64_t d = 0; d < p.size; d += kLanes) {
      const int count = static_cast<int>(least(p.size - d, kLanes));
      Vec sum = Isa::zero();
      for (int64_t key = 0; key < p.keys; ++key) {
        sum = Isa::add(sum, Isa::load_numbers(keys + key * p.key.token + d, count));
      }
      Isa::store(mean + d, Isa::div(sum, Isa::set(static_cast<float>(p.keys))));
    }
  }

  // Magnitudes as integers: in that order NaN comes above infinity, and neither is lost.
  static Vec larger(Vec most, const Element* row, const float* mean, int64_t size) {
    differences(row, mean, size, [&](int64_t, Vec x) {
      const __m512i magnitude = _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
      most = _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(most), magnitude));
    });
    return most;
  }

  static float factor_of(Vec most) {
    const int bits = _mm512_reduce_max_epi32(_mm512_castps_si512(most));
    float largest;
    __builtin_memcpy(&largest, &bits, sizeof largest);
    if (!(largest <= 3.4e38f)) return __builtin_nanf("");
    return (largest > 1e-15f ? largest : 1e-15f) / 127;  // of zeros any will do
  }

  // -> the sum of the integers
  static int round(int8_t* to, const Element* row, const float* mean, float factor, int64_t size) {
    const Vec inverse = Isa::set(1 / factor);
    __m512i sum = _mm512_setzero_si512();
    differences(row, mean, size, [&](int64_t d, Vec x) {
      const __m512i integers = _mm512_cvtps_epi32(Isa::mul(x, inverse));
      sum = _mm512_add_epi32(sum, integers);
      _mm_store_si128(reinterpret_cast<__m128i*>(to + d), _mm512_cvtsepi32_epi8(integers));
    });
    return _mm512_reduce_add_epi32(sum);
  }

  static __m512i words(const int8_t* row, int64_t word, int count) {
    return _mm512_maskz_loadu_epi32(Isa::first(count), row + word * kBytes);
  }

  alignas(64) float query_[kLargestSize / kBytes * kQueries];
  const float* packed_;
  int64_t words_;
  const float* factors_;
  Vec scale_[3], offset_[3];
};

}  // namespace
}  // namespace catvton::ops::attention_cpu
