// Index arithmetic of kernels.
#pragma once

#include <cstdint>

#include "ops/gpu/kernel.h"

namespace catvton::ops::gpu {

struct Split {
  int64_t quotient, remainder;
};

// index / size and what is left. Devices divide 32 bits several times faster than 64, and indices seldom need more.
CATVTON_HOST_DEVICE inline Split split(int64_t index, int64_t size) {
  if (((index | size) >> 32) == 0) {
    const auto narrow = static_cast<uint32_t>(index), divisor = static_cast<uint32_t>(size);
    return {narrow / divisor, narrow % divisor};
  }
  return {index / size, index % size};
}

}  // namespace catvton::ops::gpu
