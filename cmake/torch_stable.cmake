# The target `torch_stable`: LibTorch's stable C++ ABI. find_package(Torch) would tie the binary to libtorch_cuda; the
# stable ABI needs the headers of any torch >= 2.13 (older ones clash with pybind11) and two library names only.
execute_process(
  COMMAND ${Python_EXECUTABLE} -c "import torch; print(torch.__path__[0], torch.__version__.split('+')[0], sep=';', end='')"
  OUTPUT_VARIABLE TORCH_PATH_AND_VERSION RESULT_VARIABLE TORCH_MISSING ERROR_QUIET)
if(TORCH_MISSING)
  message(FATAL_ERROR "torch was not found by ${Python_EXECUTABLE}. Building needs torch >= 2.13 in this environment: "
                      "install it first, then build with `pip install --no-build-isolation .`")
endif()
list(GET TORCH_PATH_AND_VERSION 0 TORCH_DIR)
list(GET TORCH_PATH_AND_VERSION 1 TORCH_VERSION)
if(TORCH_VERSION VERSION_LESS 2.13)
  message(FATAL_ERROR "torch ${TORCH_VERSION} can run the engine but not build it: its headers clash with pybind11 3. "
                      "Build with torch >= 2.13; the result then runs on torch >= 2.10.")
endif()
message(STATUS "torch ${TORCH_VERSION} at ${TORCH_DIR}")

add_library(torch_stable INTERFACE)
target_include_directories(torch_stable SYSTEM INTERFACE ${TORCH_DIR}/include)
target_link_directories(torch_stable INTERFACE ${TORCH_DIR}/lib)
target_compile_definitions(torch_stable INTERFACE TORCH_TARGET_VERSION=0x020a000000000000)  # runs on torch >= 2.10
if(UNIX AND NOT APPLE)
  # libtorch_cpu: everything we call. libtorch: so that the weak CUDA stream symbol resolves on CUDA builds of torch.
  target_link_libraries(torch_stable INTERFACE -Wl,--no-as-needed torch -Wl,--as-needed torch_cpu)
else()
  target_link_libraries(torch_stable INTERFACE torch torch_cpu)
endif()
