// When our own CPU kernels may run.
#pragma once

#include <cstdint>
#include <string>

#include "torch_stable/call.h"

namespace catvton::ops {

// A tensor for *_avx512.cpp, where this processor has them (ops/cpu.h): float32 or bfloat16 on the CPU, and nothing records gradients, which kernels have none of.
bool suits_avx512(const Tensor& x);

// [B, C, H, W] that lies in memory as [B, H, W, C] without gaps.
bool is_channels_last(const Tensor& x);

}  // namespace catvton::ops
