// What OpenCV's static archives would otherwise bring along: TBB's threads, LAPACK and OpenGL.
//
// Distributions build OpenCV with all three, and then its archives cannot be linked without them. Each group of
// definitions below takes the place of one member of those archives (parallel.cpp, hal_internal.cpp) or of a library,
// so the linker never asks for it: loops run on LibTorch's threads, and linear algebra, which we do not call, on
// OpenCV's own code. Not compiled where OpenCV is a shared library (cmake/opencv.cmake).
#include <opencv2/core/hal/interface.h>

#include <opencv2/core/utility.hpp>

#include "torch_stable/parallel.h"

// parallel.cpp
namespace cv {

unsigned defaultNumberOfThreads();       // in OpenCV's private headers,
const char* currentParallelFramework();  // as this one

void parallel_for_(const Range& range, const ParallelLoopBody& body, double stripes) {
  const int64_t size = range.size();
  const int64_t grain = stripes > 0 ? std::max<int64_t>(static_cast<int64_t>(size / stripes), 1) : 1;
  catvton::torch_stable::parallel_for(range.start, range.end, grain, [&](int64_t first, int64_t last) {
    body(Range(static_cast<int>(first), static_cast<int>(last)));
  });
}

ParallelLoopBody::~ParallelLoopBody() = default;

int getNumThreads() { return static_cast<int>(torch::stable::get_num_threads()); }
int getThreadNum() { return 0; }
int getNumberOfCPUs() { return getNumThreads(); }
unsigned defaultNumberOfThreads() { return getNumThreads(); }
void setNumThreads(int) {}  // torch.set_num_threads decides
const char* currentParallelFramework() { return "torch"; }

}  // namespace cv

// hal_internal.cpp: OpenCV falls back to its own code where these decline. Its private header declares them so.
using Size = size_t;
#define CATVTON_DECLINE(name, ...) \
  int name(__VA_ARGS__);           \
  int name(__VA_ARGS__) { return CV_HAL_ERROR_NOT_IMPLEMENTED; }
#define CATVTON_DECLINE_FOR(T, suffix)                                                                                \
  CATVTON_DECLINE(lapack_LU##suffix, T*, Size, int, T*, Size, int, int*)                                              \
  CATVTON_DECLINE(lapack_QR##suffix, T*, Size, int, int, int, T*, Size, T*, int*)                                     \
  CATVTON_DECLINE(lapack_SVD##suffix, T*, Size, T*, T*, Size, T*, Size, int, int, int)                                \
  CATVTON_DECLINE(lapack_Cholesky##suffix, T*, Size, int, T*, Size, int, bool*)                                       \
  CATVTON_DECLINE(lapack_gemm##suffix, const T*, Size, const T*, Size, T, const T*, Size, T, T*, Size, int, int, int, \
                  int)                                                                                                \
  CATVTON_DECLINE(lapack_gemm##suffix##c, const T*, Size, const T*, Size, T, const T*, Size, T, T*, Size, int, int,   \
                  int, int)
CATVTON_DECLINE_FOR(float, 32f)
CATVTON_DECLINE_FOR(double, 64f)

// libGL: OpenCV asks for entry points only when a window is drawn, which nothing here does.
extern "C" void* glXGetProcAddressARB(const unsigned char*) { return nullptr; }
