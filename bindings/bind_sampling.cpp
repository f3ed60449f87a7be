#include "bindings.h"
#include "sampling/ddim.h"
#include "sampling/guidance.h"
#include "tensor_caster.h"

namespace py = pybind11;

namespace catvton::bindings {

void bind_sampling(py::module_& m) {
  using sampling::DDIMConfig;
  using sampling::DDIMStep;
  py::class_<DDIMConfig>(m, "DDIMConfig")
      .def(py::init<>())
      .def_readwrite("num_train_timesteps", &DDIMConfig::num_train_timesteps)
      .def_readwrite("beta_start", &DDIMConfig::beta_start)
      .def_readwrite("beta_end", &DDIMConfig::beta_end)
      .def_readwrite("beta_schedule", &DDIMConfig::beta_schedule)
      .def_readwrite("set_alpha_to_one", &DDIMConfig::set_alpha_to_one)
      .def_readwrite("steps_offset", &DDIMConfig::steps_offset)
      .def_readwrite("timestep_spacing", &DDIMConfig::timestep_spacing);
  py::class_<DDIMStep>(m, "DDIMStep")
      .def_readonly("timestep", &DDIMStep::timestep)
      .def_readonly("sqrt_alpha", &DDIMStep::sqrt_alpha)
      .def_readonly("sqrt_beta", &DDIMStep::sqrt_beta)
      .def_readonly("sqrt_alpha_prev", &DDIMStep::sqrt_alpha_prev)
      .def_readonly("direction", &DDIMStep::direction)
      .def_readonly("sigma", &DDIMStep::sigma)
      .def("pred_x0", &DDIMStep::pred_x0, py::arg("eps"), py::arg("sample"))
      .def("prev_sample", &DDIMStep::prev_sample, py::arg("eps"), py::arg("pred_x0"), py::arg("noise") = py::none());
  m.def("alphas_cumprod", &sampling::alphas_cumprod, py::arg("config"));
  m.def("ddim_steps", &sampling::ddim_steps, py::arg("config"), py::arg("steps"), py::arg("eta"));
  m.def("guide", &sampling::guide, py::arg("both"), py::arg("scale"));
}

}  // namespace catvton::bindings
