// glibc keeps what is freed for the next allocation, up to hundreds of megabytes between stages that need different
// sizes; resident memory then is the sum of their peaks.
#pragma once

#include <cstdlib>  // tells whether this is glibc

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace catvton::torch_stable {

// Gives the process' free memory back to the system, where the allocator can: milliseconds, and new pages when they are
// needed again. For between stages, not inside them.
inline void give_back_free_memory() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

}  // namespace catvton::torch_stable
