// The sum of one float from each thread of a block, in three phases of a body: put, fold, total. The order of additions is
// fixed, so that results repeat.
#pragma once

#include "ops/gpu/kernel.h"

namespace catvton::ops::gpu {

struct BlockSum {
  static constexpr int columns = 32;
  static constexpr int floats = threads_of_a_block + columns;  // of shared memory

  float* shared;

  CATVTON_HOST_DEVICE void put(const Thread& at, float value) const { shared[at.thread] = value; }

  CATVTON_HOST_DEVICE void fold(const Thread& at) const {
    if (at.thread >= columns) return;
    float sum = 0;
    for (int i = at.thread; i < at.threads; i += columns) sum += shared[i];
    shared[threads_of_a_block + at.thread] = sum;
  }

  CATVTON_HOST_DEVICE float total() const {
    float sum = 0;
    for (int i = 0; i < columns; ++i) sum += shared[threads_of_a_block + i];
    return sum;
  }
};

}  // namespace catvton::ops::gpu
