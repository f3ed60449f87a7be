#include "ops/bias_and_residual/bias_and_residual_gpu.h"
#include "ops/gpu/launch.cuh"

void catvton::ops::gpu::bias_and_residual_cuda(const BiasAndResidualArguments& in, void* stream) {
  bias_and_residual(Launch{stream}, in);
}
