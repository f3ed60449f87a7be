#include "torch_stable/tensor.h"

#include <torch/csrc/inductor/aoti_torch/c/shim.h>

#include <stdexcept>

namespace catvton {

Ints shape_of(const Tensor& t) {
  const auto sizes = t.sizes();
  return Ints(sizes.begin(), sizes.end());
}

bool is_meta(const Tensor& t) { return t.device().type() == torch::headeronly::DeviceType::Meta; }

bool torch_stable::grad_enabled() { return aoti_torch_grad_mode_is_enabled(); }

std::string to_text(const Ints& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + (shape[i] < 0 ? "any" : std::to_string(shape[i]));
  return text + "]";
}

std::string to_text(ScalarType dtype) {
  switch (dtype) {
    case ScalarType::Float:
      return "float32";
    case ScalarType::Double:
      return "float64";
    case ScalarType::Half:
      return "float16";
    case ScalarType::BFloat16:
      return "bfloat16";
    case ScalarType::Long:
      return "int64";
    case ScalarType::Int:
      return "int32";
    case ScalarType::Byte:
      return "uint8";
    case ScalarType::Bool:
      return "bool";
    case ScalarType::Float8_e4m3fn:
      return "float8_e4m3fn";
    default:
      return "dtype number " + std::to_string(static_cast<int>(dtype));
  }
}

std::string to_text(const Device& device) {
  using torch::headeronly::DeviceType;
  std::string name;
  switch (device.type()) {
    case DeviceType::CPU:
      return "cpu";
    case DeviceType::Meta:
      return "meta";
    case DeviceType::CUDA:
      name = "cuda";
      break;
    case DeviceType::MPS:
      name = "mps";
      break;
    case DeviceType::XPU:
      name = "xpu";
      break;
    default:
      name = "device type " + std::to_string(static_cast<int>(device.type()));
  }
  return name + ":" + std::to_string(static_cast<int>(device.index()));
}

std::string describe(const Tensor& t) {
  return to_text(t.scalar_type()) + " " + to_text(shape_of(t)) + " on " + to_text(t.device());
}

void check_shape(const char* what, const Tensor& t, const Ints& expected) {
  const Ints got = shape_of(t);
  bool fits = got.size() == expected.size();
  for (size_t i = 0; fits && i < got.size(); ++i) fits = expected[i] < 0 || got[i] == expected[i];
  if (!fits)
    throw std::invalid_argument(std::string(what) + ": expected " + to_text(expected) + ", got " + to_text(got));
}

}  // namespace catvton
