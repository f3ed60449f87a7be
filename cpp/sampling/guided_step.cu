#include "ops/gpu/launch.cuh"
#include "sampling/guided_step_gpu.h"

void catvton::sampling::kernels::guided_step_cuda(const GuidedStepArguments& in, void* stream) {
  guided_step(ops::gpu::Launch{stream}, in);
}
