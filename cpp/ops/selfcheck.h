// Before one of our kernels is trusted on a device, it computes something small beside the operator's reference there.
//
//   if (trusted({"attention", "avx512_bf16", shapes, &kernel, &reference}, query)) return kernel({query, key, value});
//   return reference({query, key, value});
//
// The first call for a device and dtype runs both on the same random numbers; the truth is the reference in float64 on
// the CPU. The kernel passes if its error is at most twice the reference's own in that dtype, give or take one rounding.
// One that does not is switched off with a warning on stderr; `catvton doctor` shows the verdict.
#pragma once

#include <string>
#include <vector>

#include "torch_stable/call.h"

namespace catvton::ops {

using Operator = Tensor (*)(const std::vector<Tensor>& inputs);

struct SelfCheck {
  const char* name;            // of the operator, as in the registry
  const char* implementation;  // "avx512_bf16"
  std::vector<Ints> shapes;    // of the inputs
  Operator ours;               // never through trusted() itself
  Operator reference;          // ATen's; takes any dtype and device
  double approximation = 0;    // an approximation's own error, of the largest value

  SelfCheck of(const char* other) const { return {name, other, shapes, ours, reference, approximation}; }
};

// Empty where the kernel passed for tensors of the device and dtype of `like`, else what was found. Checked once.
std::string problem(const SelfCheck& check, const Tensor& like);

inline bool trusted(const SelfCheck& check, const Tensor& like) { return problem(check, like).empty(); }

// For the registry: the implementation's name, or the reference's and why the kernel is off.
std::string verdict(const SelfCheck& check, const Tensor& like, const char* reference);

}  // namespace catvton::ops
