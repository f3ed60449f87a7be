// For kernels' files, which include no header of torch.
#pragma once

#include <cstdint>

namespace catvton::ops {

struct bfloat16 {
  uint16_t bits;
};

struct AllLanes {};  // of a vector

}  // namespace catvton::ops
