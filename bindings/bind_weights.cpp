#include "bindings.h"
#include "tensor_caster.h"
#include "weights/names.h"

namespace py = pybind11;

namespace catvton::bindings {

void bind_weights(py::module_& m) {
  using weights::Spelling;
  py::module_ names = m.def_submodule("names", "Foreign spellings of weights' names");
  py::enum_<Spelling>(names, "Spelling")
      .value("diffusers", Spelling::diffusers)
      .value("original", Spelling::original)
      .value("checkpoint", Spelling::checkpoint)
      .value("attention", Spelling::attention)
      .value("unknown", Spelling::unknown);
  names.def("spelling", &weights::spelling, py::arg("keys"));
  names.def("unet_name", &weights::unet_name, py::arg("key"), py::arg("spelling"));
  names.def("vae_name", &weights::vae_name, py::arg("key"), py::arg("spelling"));
  names.def("attention_name", &weights::attention_name, py::arg("key"), py::arg("self_attentions"));
  names.def("published_attention_name", &weights::published_attention_name, py::arg("index"), py::arg("weight"));
}

}  // namespace catvton::bindings
