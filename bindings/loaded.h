// A model as Python holds it, with the weights that it was made of by name.
#pragma once

#include "weights/state_dict.h"

namespace catvton::bindings {

template <class Model>
struct Loaded {
  Model model;
  weights::Tensors parameters;         // as the model holds them
  std::map<std::string, Ints> packed;  // those that are packed, and their plain shapes
};

}  // namespace catvton::bindings
