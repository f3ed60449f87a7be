// Runs a kernel's body (ops/gpu/kernel.h) on the device, on a stream of the caller's, without waiting for it.
#pragma once

#include <cuda_runtime.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "ops/gpu/kernel.h"

namespace catvton::ops::gpu {

template <class Body, int... numbers>
__device__ void phases(const Body& body, const Thread& at, float* shared, std::integer_sequence<int, numbers...>) {
  typename Body::Private mine{};
  // A barrier before each phase but the first.
  ((numbers == 0 ? void() : __syncthreads(), body.phase(Phase<numbers>{}, at, shared, mine)), ...);
}

template <class Body>
__global__ void __launch_bounds__(threads_of_a_block) run(const Body body) {
  extern __shared__ float shared[];
  const Thread at{blockIdx.x, gridDim.x, static_cast<int>(threadIdx.x), static_cast<int>(blockDim.x)};
  phases(body, at, shared, std::make_integer_sequence<int, Body::phases>{});
}

struct Launch {
  void* stream;  // cudaStream_t

  template <class Body>
  void operator()(const Body& body, const Geometry& geometry) const {
    const auto bytes = static_cast<size_t>(geometry.shared_floats) * sizeof(float);
    run<<<static_cast<unsigned>(geometry.blocks), geometry.threads, bytes, static_cast<cudaStream_t>(stream)>>>(body);
    if (const cudaError_t error = cudaGetLastError(); error != cudaSuccess) {
      throw std::runtime_error(std::string("the CUDA kernel ") + Body::name +
                               " was not launched: " + cudaGetErrorString(error) + " (" +
                               std::to_string(geometry.blocks) + " blocks of " + std::to_string(geometry.threads) +
                               " threads, " + std::to_string(bytes) + " bytes of shared memory)");
    }
  }
};

}  // namespace catvton::ops::gpu
