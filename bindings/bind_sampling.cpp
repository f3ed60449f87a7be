#include "bindings.h"
#include "sampling/ddim.h"
#include "sampling/guidance.h"
#include "sampling/multistep.h"
#include "sampling/solver.h"
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
  using sampling::Combination;
  using sampling::MultistepStep;
  py::class_<Combination>(m, "Combination")
      .def_readonly("sample", &Combination::sample)
      .def_readonly("x0", &Combination::x0)
      .def_readonly("noise", &Combination::noise);
  py::class_<MultistepStep>(m, "MultistepStep")
      .def_readonly("timestep", &MultistepStep::timestep)
      .def_readonly("alpha", &MultistepStep::alpha)
      .def_readonly("sigma", &MultistepStep::sigma)
      .def_readonly("corrects", &MultistepStep::corrects)
      .def_readonly("corrector", &MultistepStep::corrector)
      .def_readonly("predictor", &MultistepStep::predictor);
  m.def(
      "multistep_steps",
      [](const DDIMConfig& config, const std::string& solver, int64_t steps) {
        return sampling::multistep_steps(config, sampling::multistep(solver), steps);
      },
      py::arg("config"), py::arg("solver"), py::arg("steps"));
  py::class_<sampling::Solver>(m, "Solver")
      .def(py::init(&sampling::make_solver), py::arg("name"), py::arg("config"), py::arg("steps"), py::arg("eta") = 1.0,
           "One trajectory, whose steps are taken in their order.")
      .def("timestep", &sampling::Solver::timestep, py::arg("step"))
      .def_property_readonly("draws_noise", &sampling::Solver::draws_noise)
      .def("pred_x0", &sampling::Solver::pred_x0, py::arg("step"), py::arg("eps"), py::arg("sample"))
      .def("prev_sample", &sampling::Solver::prev_sample, py::arg("step"), py::arg("eps"), py::arg("pred_x0"),
           py::arg("sample"), py::arg("noise") = py::none());
  m.def("guide", &sampling::guide, py::arg("both"), py::arg("scale"));
}

}  // namespace catvton::bindings
