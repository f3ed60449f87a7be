// LibTorch's exceptions lose their type at the stable ABI. Memory errors get theirs back here: ComfyUI and others
// recover from torch.OutOfMemoryError, and from nothing else.
#include <pybind11/pybind11.h>

#include <exception>
#include <string>

#include "bindings.h"

namespace py = pybind11;

namespace catvton::bindings {
namespace {

bool says_out_of_memory(const std::string& message) {
  for (const char* text : {"out of memory", "not enough memory", "Cannot allocate memory"}) {
    if (message.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

void bind_errors(py::module_&) {
  py::register_local_exception_translator([](std::exception_ptr thrown) {
    try {
      if (thrown) std::rethrow_exception(thrown);
    } catch (const py::error_already_set&) {
      throw;  // an exception of Python's own passes unchanged
    } catch (const std::runtime_error& error) {
      if (!says_out_of_memory(error.what())) throw;
      py::set_error(py::module_::import("torch").attr("OutOfMemoryError"), error.what());
    }
  });
}

}  // namespace catvton::bindings
