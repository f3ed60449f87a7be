// A GPU kernel's body as plain C++, so that one text runs on the device (launch.cuh) and, for tests and sanitizers, on a
// CPU (emulate.h).
//
// A body is a struct: pointers and sizes are its members, one member function is a phase of it, and between two phases
// all threads of a block wait for each other:
//
//   struct Sum {
//     static constexpr const char* name = "sum";  // for errors
//     const float* x; float* y; int64_t n;
//     struct Private { float own; };              // of a thread, from phase to phase; registers on the device
//     static constexpr int phases = 2;
//     CATVTON_HOST_DEVICE void phase(Phase<0>, const Thread& at, float* shared, Private& mine) const { ... }
//     CATVTON_HOST_DEVICE void phase(Phase<1>, const Thread& at, float* shared, Private& mine) const { ... }
//   };
//
// Bodies know no torch, no shuffles and no barriers: sums over a block go through shared memory, which a phase may only
// read where an earlier one has written it.
#pragma once

#include <cstddef>
#include <cstdint>

#ifdef __CUDACC__
#define CATVTON_HOST_DEVICE __host__ __device__
#else
#define CATVTON_HOST_DEVICE
#endif

namespace catvton::ops::gpu {

struct Thread {
  int64_t block, blocks;  // which of how many
  int thread, threads;    // which of the block's

  CATVTON_HOST_DEVICE int64_t index() const { return block * threads + thread; }
  CATVTON_HOST_DEVICE int64_t stride() const { return blocks * threads; }  // of a loop over more than fits the grid
};

template <int number>
struct Phase {};

struct Nothing {};  // Private of a body that keeps nothing

struct Geometry {
  int64_t blocks;
  int threads;
  int64_t shared_floats = 0;  // of a block
};

// What every device since compute capability 7.5 can do without asking for more.
constexpr int64_t most_blocks = 0x7fffffff;  // in one dimension
constexpr int64_t most_shared_floats = 48 * 1024 / 4;
constexpr int threads_of_a_block = 256;

// For a loop `for (i = at.index(); i < items; i += at.stride())`. Enough blocks to fill the largest device many times; what
// is left goes through the loop.
constexpr Geometry one_thread_each(int64_t items) {
  const int64_t blocks = (items + threads_of_a_block - 1) / threads_of_a_block;
  return {blocks<1 ? 1 : blocks>(1 << 20) ? (1 << 20) : blocks, threads_of_a_block};
}

// For a block that goes over `items` in turns: whole warps, no more of them than there is work for.
constexpr int threads_for(int64_t items) {
  int threads = 32;
  while (threads < threads_of_a_block && threads < items) threads *= 2;
  return threads;
}

}  // namespace catvton::ops::gpu
