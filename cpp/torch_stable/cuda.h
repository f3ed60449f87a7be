// A CUDA device as torch uses it at this moment.
#pragma once

#include <torch/csrc/stable/accelerator.h>

#include "torch_stable/call.h"

namespace catvton::torch_stable {

// Makes a tensor's device the current one of this thread as long as it lives.
class CudaDevice {
 public:
  explicit CudaDevice(const Device& device) : index_(device.index()), guard_(device.index()) {}

  void* stream() const;  // cudaStream_t: the one on which torch works now

 private:
  int32_t index_;
  torch::stable::accelerator::DeviceGuard guard_;
};

}  // namespace catvton::torch_stable
