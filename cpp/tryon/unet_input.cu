#include "ops/gpu/launch.cuh"
#include "tryon/unet_input_gpu.h"

void catvton::tryon::kernels::unet_input_cuda(const UNetInputArguments& in, void* stream) {
  unet_input(ops::gpu::Launch{stream}, in);
}
