// When our CUDA kernels may run, and on what: the device, or, where a test asks for it, the emulator.
#pragma once

#include <stdexcept>

#include "ops/gpu/emulate.h"
#include "ops/gpu/numbers.h"
#include "torch_stable/call.h"
#include "torch_stable/cuda.h"

namespace catvton::ops::gpu {

// For tests: tensors of the CPU take the way of CUDA's, through the emulator. Not while an operator runs.
void set_emulation(bool on);

// float32, float16 or bfloat16; on a CUDA device, in a build that has the kernels, or on the CPU while they are emulated;
// and nothing records gradients, which kernels have none of.
bool suits(const Tensor& x);

Number number_of(ScalarType dtype);

// on_device is the launch in the operator's .cu file, null in a build without it; emulated is the same with gpu::Emulate.
template <class Arguments, class Emulated>
void run(const Tensor& like, const Arguments& arguments, void (*on_device)(const Arguments&, void* stream),
         const Emulated& emulated) {
  if (like.device().type() != torch::headeronly::DeviceType::CUDA) return emulated(arguments);
  if (!on_device) throw std::logic_error("this build has no CUDA kernels");
  const torch_stable::CudaDevice here(like.device());
  on_device(arguments, here.stream());
}

}  // namespace catvton::ops::gpu

#ifdef CATVTON_WITH_CUDA
#define CATVTON_CUDA_KERNEL(function) &function
#else
#define CATVTON_CUDA_KERNEL(function) static_cast<decltype(&function)>(nullptr)
#endif
