#include "tensor_caster.h"

#include <torch/csrc/stable/library.h>

namespace catvton::bindings {
namespace {

int64_t to_handle(Tensor tensor) {
  AtenTensorHandle handle = nullptr;
  STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_new_tensor_handle(tensor.get(), &handle));
  return reinterpret_cast<int64_t>(handle);
}

Tensor from_handle(int64_t handle) { return Tensor(reinterpret_cast<AtenTensorHandle>(handle)); }

}  // namespace

pybind11::object torch_operator(const char* name) {
  return pybind11::module_::import("torch").attr("ops").attr("catvton").attr(name).attr("default");
}

}  // namespace catvton::bindings

STABLE_TORCH_LIBRARY_FRAGMENT(catvton, m) {
  m.def("_to_handle(Tensor tensor) -> int");
  m.def("_from_handle(int handle) -> Tensor");
}

STABLE_TORCH_LIBRARY_IMPL(catvton, CompositeImplicitAutograd, m) {
  m.impl("_to_handle", TORCH_BOX(&catvton::bindings::to_handle));
  m.impl("_from_handle", TORCH_BOX(&catvton::bindings::from_handle));
}
