#include "bindings.h"
#include "loaded.h"
#include "tensor_caster.h"
#include "tryon/tryon.h"

namespace py = pybind11;

namespace catvton::bindings {
namespace {

using UNet = Loaded<models::UNet>;
using VAE = Loaded<models::VAE>;

// Ctrl-C arrives between two layers even where the caller passed no callback.
poll::Ask interruptible(poll::Ask ask) {
  return [ask = std::move(ask)] {
    py::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
    if (ask) ask();
  };
}

}  // namespace

void bind_tryon(py::module_& m) {
  m.def(
      "is_masked",
      [](const models::UNetConfig& unet, const models::VAEConfig& vae) {
        return tryon::kind_of(unet, vae) == tryon::Kind::masked;
      },
      py::arg("unet"), py::arg("vae"),
      "True: a masked model (9 channels), False: mask-free (8); ValueError otherwise.");
  m.def(
      "tryon",
      [](const UNet& unet, const VAE& vae, const Tensor& person, const Tensor& garment, const OptionalTensor& mask,
         const sampling::DDIMConfig& scheduler, int64_t steps, double guidance, double eta, const tryon::Noise& noise,
         const tryon::OnStep& on_step, const tap::Sink& tap, const tryon::OnEstimate& on_estimate, const poll::Ask& ask,
         double poll_seconds) {
        const poll::Ask poll = interruptible(ask);
        py::gil_scoped_release no_gil;
        tap::Listen listen(tap);
        poll::Watch watch(poll, poll_seconds);
        return tryon::run(unet.model, vae.model, {person, garment, mask}, {steps, guidance, eta, scheduler}, noise,
                          on_step, on_estimate);
      },
      py::arg("unet"), py::arg("vae"), py::arg("person"), py::arg("garment"), py::arg("mask"), py::arg("scheduler"),
      py::arg("steps"), py::arg("guidance"), py::arg("eta"), py::arg("noise"), py::arg("on_step") = py::none(),
      py::arg("tap") = py::none(), py::arg("on_estimate") = py::none(), py::arg("poll") = py::none(),
      py::arg("poll_seconds") = 0.05, "poll: called between layers, no more often than every poll_seconds.");
}

}  // namespace catvton::bindings
