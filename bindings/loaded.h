// A model as Python holds it, with the weights that it was made of by name.
#pragma once

#include "weights/state_dict.h"

namespace catvton::bindings {

template <class Model>
struct Loaded {
  Model model;
  weights::Tensors parameters;       // plain ones
  weights::PackedParameters packed;  // the others
  weights::Packing packing;
};

}  // namespace catvton::bindings
