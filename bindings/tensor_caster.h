// torch.Tensor <-> torch::stable::Tensor, on every torch from 2.10 on.
//
// torch 2.14 has shims for this; older versions have none, so the tensor travels as a handle through two private
// operators of ours, which the dispatcher converts for us. The tensor is shared, not copied; autograd survives.
#pragma once

#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "torch_stable/call.h"

namespace catvton::bindings {

// torch.ops.catvton.<name>.default.
pybind11::object torch_operator(const char* name);

}  // namespace catvton::bindings

namespace pybind11::detail {

template <>
struct type_caster<catvton::Tensor> {
  PYBIND11_TYPE_CASTER(catvton::Tensor, const_name("torch.Tensor"));

  bool load(handle source, bool) {
    if (!isinstance(source, module_::import("torch").attr("Tensor"))) return false;
    const auto to_handle = catvton::bindings::torch_operator("_to_handle");
    value = catvton::Tensor(reinterpret_cast<AtenTensorHandle>(to_handle(source).cast<int64_t>()));
    return true;
  }

  static handle cast(const catvton::Tensor& tensor, return_value_policy, handle) {
    AtenTensorHandle shared = nullptr;
    STABLE_TORCH_ERROR_CODE_CHECK(aoti_torch_new_tensor_handle(tensor.get(), &shared));
    const auto from_handle = catvton::bindings::torch_operator("_from_handle");
    return from_handle(reinterpret_cast<int64_t>(shared)).release();
  }
};

}  // namespace pybind11::detail
