#include "bindings.h"
#include "interruptible.h"
#include "loaded.h"
#include "tensor_caster.h"
#include "torch_stable/free_memory.h"
#include "tryon/tryon.h"

namespace py = pybind11;

namespace catvton::bindings {
namespace {

using UNet = Loaded<models::UNet>;
using VAE = Loaded<models::VAE>;
using UNetPointer = std::variant<std::shared_ptr<UNet>, std::shared_ptr<models::StreamedUNet>>;
using VAEPointer = std::shared_ptr<VAE>;

tryon::Denoiser denoiser(const UNetPointer& unet, bool one_by_one) {
  if (const auto* whole = std::get_if<std::shared_ptr<UNet>>(&unet))
    return tryon::resident((*whole)->model, one_by_one);
  return tryon::streamed(*std::get<1>(unet));
}

tryon::VAESource source_of(const std::variant<VAEPointer, std::function<VAEPointer()>>& vae) {
  return [vae]() -> std::shared_ptr<const models::VAE> {
    const VAEPointer* given = std::get_if<VAEPointer>(&vae);
    const VAEPointer loaded = given ? *given : std::get<1>(vae)();
    return {loaded, &loaded->model};  // the model, and with it the weights that Python counts
  };
}

}  // namespace

void bind_tryon(py::module_& m) {
  const tryon::Options exact;
  m.def(
      "is_masked",
      [](const models::UNetConfig& unet, const models::VAEConfig& vae) {
        return tryon::kind_of(unet, vae) == tryon::Kind::masked;
      },
      py::arg("unet"), py::arg("vae"),
      "True: a masked model (9 channels), False: mask-free (8); ValueError otherwise.");
  m.def_submodule("ops").def(
      "unet_input",
      [](const Tensor& latents, const Tensor& person, const Tensor& garment, const OptionalTensor& mask, bool guided,
         const Tensor& like, bool channels_last) {
        const tryon::Kind kind = mask ? tryon::Kind::masked : tryon::Kind::mask_free;
        return tryon::unet_input({latents, person, garment, mask, tryon::joined_dim(kind)},
                                 {guided, like.scalar_type(), channels_last});
      },
      py::arg("latents"), py::arg("person"), py::arg("garment"), py::arg("mask"), py::arg("guided"), py::arg("like"),
      py::arg("channels_last") = false,
      "[latents | mask | condition] in channels, person and garment joined, in the dtype of `like`.\n"
      "latents: [B, C, joined]; person, garment: [B, C, h, w]; mask: [B, 1, h, w], of a masked model: joined in "
      "height,\n"
      "without: in width. guided: the unconditional branch, without the garment, comes first.");
  using torch_stable::LargeBlocksMapped;
  struct Mapping {
    std::optional<LargeBlocksMapped> now;
  };
  py::class_<Mapping>(
      m, "LargeBlocksMapped",
      "Within `with`, blocks of 8 MB and more go back to the system once they are free: slower (glibc alone).")
      .def(py::init<>())
      .def("__enter__", [](Mapping& self) { self.now.emplace(); })
      .def("__exit__", [](Mapping& self, const py::args&) { self.now.reset(); });
  m.def(
      "tryon",
      [](const UNetPointer& unet, const std::variant<VAEPointer, std::function<VAEPointer()>>& vae,
         const Tensor& person, const std::variant<Tensor, std::pair<Tensor, Tensor>>& garment,
         const OptionalTensor& mask, const sampling::DDIMConfig& scheduler, int64_t steps, double guidance, double eta,
         const tryon::Noise& noise, const tryon::OnStep& on_step, const tap::Sink& tap, bool one_by_one, int64_t strip,
         const tryon::OnEstimate& on_estimate, const poll::Ask& ask, double poll_seconds, const std::string& solver,
         const std::pair<double, double>& guidance_interval, int64_t cache_interval, int64_t token_downsampling,
         bool int8_scores) {
        const poll::Ask poll = interruptible(ask);
        py::gil_scoped_release no_gil;
        tap::Listen listen(tap);
        poll::Watch watch(poll, poll_seconds);
        return tryon::run(denoiser(unet, one_by_one), source_of(vae), {person, garment, mask},
                          {steps,
                           guidance,
                           eta,
                           scheduler,
                           {strip},
                           solver,
                           guidance_interval,
                           cache_interval,
                           token_downsampling,
                           int8_scores},
                          noise, on_step, on_estimate);
      },
      py::arg("unet"), py::arg("vae"), py::arg("person"), py::arg("garment"), py::arg("mask"), py::arg("scheduler"),
      py::arg("steps"), py::arg("guidance"), py::arg("eta"), py::arg("noise"), py::arg("on_step") = py::none(),
      py::arg("tap") = py::none(), py::arg("one_by_one") = false, py::arg("strip") = 0,
      py::arg("on_estimate") = py::none(), py::arg("poll") = py::none(), py::arg("poll_seconds") = 0.05,
      py::arg("solver") = exact.solver, py::arg("guidance_interval") = exact.guidance_interval,
      py::arg("cache_interval") = exact.cache_interval, py::arg("token_downsampling") = exact.token_downsampling,
      py::arg("int8_scores") = exact.int8_scores,
      "vae: the VAE, or a function that gives it when it is needed.\n"
      "garment: its picture, or mean and std of its latents.\n"
      "one_by_one: guidance's branches one after the other. strip: as of VAE.encode.\n"
      "poll: called between layers, no more often than every poll_seconds.\n"
      "solver, guidance_interval, cache_interval, token_downsampling, int8_scores: as of TryOn.");
  m.def(
      "check_options",
      [](const sampling::DDIMConfig& scheduler, int64_t steps, double guidance, double eta, const std::string& solver,
         const std::pair<double, double>& guidance_interval, int64_t cache_interval, int64_t token_downsampling,
         bool int8_scores) {
        tryon::check({steps,
                      guidance,
                      eta,
                      scheduler,
                      {},
                      solver,
                      guidance_interval,
                      cache_interval,
                      token_downsampling,
                      int8_scores});
      },
      py::arg("scheduler"), py::arg("steps"), py::arg("guidance"), py::arg("eta"), py::arg("solver") = exact.solver,
      py::arg("guidance_interval") = exact.guidance_interval, py::arg("cache_interval") = exact.cache_interval,
      py::arg("token_downsampling") = exact.token_downsampling, py::arg("int8_scores") = exact.int8_scores,
      "ValueError for what `tryon` would refuse of these.");
}

}  // namespace catvton::bindings
