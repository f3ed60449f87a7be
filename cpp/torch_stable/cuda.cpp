#include "torch_stable/cuda.h"

#include <stdexcept>

#ifdef _WIN32
#include <windows.h>
#endif

// Lives in libtorch_cuda, which a CPU build of torch lacks, and with which we do not link: one binary serves both.
#ifdef _WIN32
namespace {
using CurrentStream = int32_t (*)(int32_t, void**);
CurrentStream current_stream() {
  const HMODULE library = GetModuleHandleA("torch_cuda.dll");
  return library ? reinterpret_cast<CurrentStream>(GetProcAddress(library, "aoti_torch_get_current_cuda_stream"))
                 : nullptr;
}
}  // namespace
#elif defined(__linux__)
extern "C" __attribute__((weak)) int32_t aoti_torch_get_current_cuda_stream(int32_t device_index, void** stream);
static auto current_stream() { return &aoti_torch_get_current_cuda_stream; }
#else
static int32_t (*current_stream())(int32_t, void**) { return nullptr; }
#endif

namespace catvton::torch_stable {

void* CudaDevice::stream() const {
  const auto function = current_stream();
  void* stream = nullptr;
  if (!function || function(index_, &stream) != 0) {
    throw std::runtime_error("torch did not tell the current stream of cuda:" + std::to_string(index_));
  }
  return stream;
}

}  // namespace catvton::torch_stable
