// One bind_<folder> for each folder of cpp/, and one for numbers in eight bits, listed by module.cpp.
#pragma once

#include <pybind11/pybind11.h>

namespace catvton::bindings {

void bind_errors(pybind11::module_& m);
void bind_torch_stable(pybind11::module_& m);
void bind_int8(pybind11::module_& m);
void bind_nn(pybind11::module_& m);
void bind_weights(pybind11::module_& m);
void bind_models(pybind11::module_& m);
void bind_sampling(pybind11::module_& m);
void bind_tryon(pybind11::module_& m);
void bind_image(pybind11::module_& m);

}  // namespace catvton::bindings
