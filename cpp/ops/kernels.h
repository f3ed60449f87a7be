// When our own CPU kernels may run.
#pragma once

#include <cstdint>
#include <string>

#include "ops/cpu.h"
#include "torch_stable/call.h"

namespace catvton::ops {

// A tensor for *_avx2.cpp and *_avx512.cpp, where this processor has one of them (ops/cpu.h): float32 or bfloat16 on the
// CPU, and nothing records gradients, which kernels have none of.
bool suits_vectors(const Tensor& x);

// The one for the most that this processor has and the user allows.
template <class T>
const T& widest(const T& avx2, const T& avx512) {
  return cpu_level() >= CpuLevel::avx512 ? avx512 : avx2;
}

// [B, C, H, W] that lies in memory as [B, H, W, C] without gaps.
bool is_channels_last(const Tensor& x);
// The same, but pictures may lie apart, as those do of which some rows are taken.
bool pictures_are_channels_last(const Tensor& x);

}  // namespace catvton::ops
