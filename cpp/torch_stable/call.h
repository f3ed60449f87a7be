// The boxed call into LibTorch's dispatcher: the only place that packs arguments for it.
#pragma once

#include <torch/csrc/stable/stableivalue_conversions.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace catvton {

using torch::headeronly::ScalarType;
using torch::stable::Device;
using torch::stable::Tensor;
using OptionalTensor = std::optional<Tensor>;
using Ints = std::vector<int64_t>;

namespace torch_stable {

// What crosses the boxed call unharmed. Anything else must not compile: an int of -1 would arrive as 4294967295, a
// float as another number, a char* as a handle to nowhere. Scalar has no boxed form at all (up to torch 2.14).
template <class T>
struct IsBoxable
    : std::bool_constant<std::is_same_v<T, Tensor> || std::is_same_v<T, int64_t> || std::is_same_v<T, double> ||
                         std::is_same_v<T, bool> || std::is_same_v<T, std::string> || std::is_same_v<T, ScalarType> ||
                         std::is_same_v<T, Device>> {};
template <class T>
struct IsBoxable<std::optional<T>> : IsBoxable<T> {};
template <class T>
struct IsBoxable<std::vector<T>> : IsBoxable<T> {};

// The stack after a call: its results from the front. For operators with several results, all of them tensors (torch
// mixes up results of different types, up to 2.14).
template <class... Args>
auto call_for_stack(const char* name, const char* overload, const Args&... args) {
  static_assert((IsBoxable<Args>::value && ...),
                "pass int64_t, double, bool, std::string, Tensor, ScalarType, Device, or lists/optionals of them");
  // One place at least, for the result.
  std::array<StableIValue, std::max<size_t>(sizeof...(Args), 1)> stack{torch::stable::detail::from(args)...};
  STABLE_TORCH_ERROR_CODE_CHECK(torch_call_dispatcher(name, overload, stack.data(), TORCH_ABI_VERSION));
  return stack;
}

// call("aten::linear", "", x, w, b): every argument of the schema, in its order; defaults do not exist here.
template <class Result = Tensor, class... Args>
Result call(const char* name, const char* overload, const Args&... args) {
  return torch::stable::detail::to<Result>(call_for_stack(name, overload, args...)[0]);
}

}  // namespace torch_stable
}  // namespace catvton
