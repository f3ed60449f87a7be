#include "ops/geglu/geglu_gpu.h"
#include "ops/gpu/launch.cuh"

void catvton::ops::gpu::geglu_cuda(const GegluArguments& in, void* stream) { geglu(Launch{stream}, in); }
