#include "ops/expand_float8/expand_float8_gpu.h"
#include "ops/gpu/launch.cuh"

void catvton::ops::gpu::expand_float8_cuda(const ExpandFloat8Arguments& in, void* stream) {
  expand_float8(Launch{stream}, in);
}
