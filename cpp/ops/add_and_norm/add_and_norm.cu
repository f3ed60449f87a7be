#include "ops/add_and_norm/add_and_norm_gpu.h"
#include "ops/gpu/launch.cuh"

void catvton::ops::gpu::add_and_norm_cuda(const AddAndNormArguments& in, void* stream) {
  add_and_norm(Launch{stream}, in);
}
