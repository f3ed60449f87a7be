#include "ops/gpu/launch.cuh"
#include "ops/group_norm/group_norm_gpu.h"

void catvton::ops::gpu::group_norm_cuda(const GroupNormArguments& in, void* stream) { group_norm(Launch{stream}, in); }
