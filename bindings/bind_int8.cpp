#include "bindings.h"
#include "ops/quantize/quantize.h"
#include "tensor_caster.h"
#include "torch_stable/onednn_int8.h"

namespace py = pybind11;

namespace catvton::bindings {

void bind_int8(py::module_& m) {
  using namespace onednn;
  py::module_ module = m.def_submodule("int8", "Numbers in eight bits");
  module.def("works", &int8::works, "Whether this CPU and torch have products of them, and they compute rightly.");
  module.def(
      "quantize",
      [](const Tensor& x) {
        const int8::Activations found = ops::quantize(x);
        return std::make_tuple(found.values, found.scale, found.zero_point);
      },
      py::arg("x"), "uint8 values, scale and zero point: x = (values - zero_point) * scale, up to rounding.");
}

}  // namespace catvton::bindings
