// For the checks that oneDNN's operators pass before they are trusted.
#pragma once

#include "torch_stable/call.h"

namespace catvton::onednn {

// Other processors are unmeasured.
#if defined(__x86_64__) || defined(_M_X64)
constexpr bool kX86 = true;
#else
constexpr bool kX86 = false;
#endif

// float32: numbers of both signs, up to 1, whose products do not cancel by pattern.
Tensor numbers(const Ints& shape, int64_t seed);

// Largest difference is at most a few roundings of the largest value.
bool agree(const Tensor& got, const Tensor& want, double rounding);

}  // namespace catvton::onednn
