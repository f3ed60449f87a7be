// catvton._C: the engine as Python sees it. Thin: conversions, the GIL and errors; what is computed lives in cpp/.
#include "bindings.h"

PYBIND11_MODULE(_C, m) {
  m.doc() = "CatVTON's native engine";
  m.attr("__version__") = CATVTON_VERSION;
  m.attr("__built_with_torch__") = CATVTON_TORCH_VERSION;
  m.attr("__cuda_architectures__") = CATVTON_CUDA_ARCHITECTURES;  // as CMake spells them, with spaces between
  catvton::bindings::bind_errors(m);
  catvton::bindings::bind_torch_stable(m);
  catvton::bindings::bind_int8(m);
  catvton::bindings::bind_nn(m);
  catvton::bindings::bind_weights(m);
  catvton::bindings::bind_models(m);
  catvton::bindings::bind_sampling(m);
  catvton::bindings::bind_tryon(m);
  catvton::bindings::bind_image(m);
}
