// Python's side of nn/poll.h: what is asked between layers while the GIL is released.
#pragma once

#include <pybind11/functional.h>
#include <pybind11/pybind11.h>

#include <utility>

#include "nn/poll.h"

namespace catvton::bindings {

// Ctrl-C arrives between two layers even where the caller passed nothing to ask.
inline poll::Ask interruptible(poll::Ask ask) {
  return [ask = std::move(ask)] {
    pybind11::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw pybind11::error_already_set();
    if (ask) ask();
  };
}

}  // namespace catvton::bindings
