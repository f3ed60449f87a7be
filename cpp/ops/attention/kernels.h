// Attention on the CPU, without torch: plain pointers, so that an ISA's file needs nothing else and a small program can
// run it under the sanitizers.
#pragma once

#include <stdint.h>

namespace catvton::ops::attention_cpu {

struct Strided {
  const void* data;
  int64_t batch, head, token;  // strides in elements; the elements of a token lie in a row
};

struct Problem {
  Strided query, key, value;
  void* out;  // [B, queries, heads, size], in a row
  int64_t heads, queries, keys, size;
  float scale;
  void* packed;  // packed_bytes() for each of B * heads, 64-byte aligned
};

constexpr int64_t kLargestSize = 512;
constexpr int64_t kKeyBlock = 128;

// The steps, each for one of B * heads (`head` counts through both): pack all its keys and values once, then any
// blocks of queries, in any order and on any thread.
struct Kernel {
  int64_t query_block;
  int64_t (*packed_bytes)(int64_t keys, int64_t size);
  void (*pack)(const Problem& problem, int64_t head);
  void (*run)(const Problem& problem, int64_t head, int64_t block);
};

extern const Kernel avx2_float32;
extern const Kernel avx512_float32;
extern const Kernel avx512_bfloat16;
// Scores in eight bits, an approximation (int8_scores.h).
extern const Kernel avx512_vnni_float32;
extern const Kernel avx512_vnni_bfloat16;

}  // namespace catvton::ops::attention_cpu
