// glibc keeps what is freed for the next allocation, but torch asks for aligned blocks, for which glibc takes a free one
// only if it is larger than what is asked for. Hundreds of megabytes can lie free between blocks, resident all the same.
#pragma once

#include <cstdlib>  // tells whether this is glibc

#include "torch_stable/tensor.h"

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace catvton::torch_stable {

// Gives the process' free memory back to the system, where the allocator can: milliseconds, and new pages when they are
// needed again.
inline void give_back_free_memory() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

// Inside a stage: before layers on a map so large that these milliseconds are nothing beside them. Not in training, where
// steps are many and most of what a layer makes is kept.
inline void give_back_free_memory_before(const Tensor& map) {
  constexpr int64_t large = int64_t{1} << 22;  // elements
  if (map.is_cpu() && map.numel() >= large && !grad_enabled()) give_back_free_memory();
}

// While it lives, glibc asks the system for each block of 8 MB or more for which the heap has no hole, and gives it back
// once it is free: no new holes, but new pages every time. Afterwards 32 MB is what glibc's own threshold, which moves up
// as blocks are freed, ends at.
class LargeBlocksMapped {
 public:
  LargeBlocksMapped() {
    give_back_free_memory();
    map_from(8 << 20);
  }
  ~LargeBlocksMapped() { map_from(32 << 20); }
  LargeBlocksMapped(const LargeBlocksMapped&) = delete;
  LargeBlocksMapped& operator=(const LargeBlocksMapped&) = delete;

 private:
  static void map_from([[maybe_unused]] int bytes) {
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, bytes);
    mallopt(M_TRIM_THRESHOLD, 2 * bytes);
#endif
  }
};

}  // namespace catvton::torch_stable
