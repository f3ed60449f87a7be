// What messages and checks need to know of a tensor.
#pragma once

#include <string>

#include "torch_stable/call.h"

namespace catvton {

Ints shape_of(const Tensor& t);
bool is_meta(const Tensor& t);

std::string to_text(const Ints& shape);     // "[2, 9, 128, 48]"
std::string to_text(ScalarType dtype);      // "float32"
std::string to_text(const Device& device);  // "cuda:0"
std::string describe(const Tensor& t);      // "float32 [2, 9, 128, 48] on cpu"

namespace torch_stable {
bool grad_enabled();  // this thread records for autograd: neither torch.no_grad() nor inference_mode()
}

// Throws std::invalid_argument "<what>: expected <shape>, got <shape>" where sizes differ; -1 admits any size.
void check_shape(const char* what, const Tensor& t, const Ints& expected);

}  // namespace catvton
