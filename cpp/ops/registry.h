// Which implementation of each of our operators runs where. Operators list themselves; `catvton doctor` prints the
// list, and tests ask it whether the kernel they mean to test is the one that runs.
#pragma once

#include <map>
#include <string>

#include "torch_stable/call.h"

namespace catvton::ops {

// Names what would compute an operator for tensors of the device and dtype of `like`: "aten::linear", "avx512".
using Implementation = std::string (*)(const Tensor& like);

// A namespace-scope constant in the operator's own file: const Registration registration("attention", &chosen);
struct Registration {
  Registration(const char* name, Implementation implementation);
};

// Operator -> implementation, for all that are registered.
std::map<std::string, std::string> implementations(const Tensor& like);

}  // namespace catvton::ops
