// Loops on LibTorch's own threads, so that torch.set_num_threads and a host's settings hold for us too.
#pragma once

#include <torch/csrc/stable/ops.h>

#include <cstdint>

namespace catvton::torch_stable {

// body(first, last) over disjoint ranges that cover [begin, end); ranges shorter than `grain` are not split off.
// The body must not throw: an exception would cross a C interface.
template <class Body>
void parallel_for(int64_t begin, int64_t end, int64_t grain, const Body& body) {
  torch::stable::parallel_for(begin, end, grain, body);
}

}  // namespace catvton::torch_stable
