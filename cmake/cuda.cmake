# catvton_cuda: the engine's own CUDA kernels (cpp/**/*.cu), which know no torch. CATVTON_CUDA says whether they are
# built: AUTO where nvcc works, ON or fail, OFF. Without them a GPU runs everything through ATen's kernels.
set(CATVTON_CUDA AUTO CACHE STRING "Build the CUDA kernels: AUTO, ON or OFF")
set_property(CACHE CATVTON_CUDA PROPERTY STRINGS AUTO ON OFF)
if(NOT CATVTON_CUDA MATCHES "^(AUTO|ON|OFF)$")
  message(FATAL_ERROR "CATVTON_CUDA is ${CATVTON_CUDA}: expected AUTO, ON or OFF")
endif()

file(GLOB_RECURSE CUDA_SOURCES CONFIGURE_DEPENDS cpp/*.cu)

include(CheckLanguage)
if(NOT CATVTON_CUDA STREQUAL "OFF" AND (CUDA_SOURCES OR CATVTON_CUDA STREQUAL "ON"))
  check_language(CUDA)
  if(CATVTON_CUDA STREQUAL "ON" AND NOT CMAKE_CUDA_COMPILER)
    message(FATAL_ERROR "CATVTON_CUDA is ON, and no working nvcc was found. Put nvcc on PATH or set CUDACXX to it, or "
                        "build with CATVTON_CUDA=OFF.")
  endif()
endif()

if(CUDA_SOURCES AND CMAKE_CUDA_COMPILER AND NOT CATVTON_CUDA STREQUAL "OFF")
  set(architectures ${CMAKE_CUDA_ARCHITECTURES})  # enable_language would put nvcc's default here
  enable_language(CUDA)
  if(architectures)
    set(CMAKE_CUDA_ARCHITECTURES ${architectures})
  elseif(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)  # the first that knows 100 and 120
    set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90)
  else()
    set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90-real 100-real 120)  # and PTX of the newest
  endif()
  list(JOIN CMAKE_CUDA_ARCHITECTURES " " CATVTON_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_STANDARD 17)  # CMake before 3.26 knows no newer one for nvcc
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  find_package(CUDAToolkit REQUIRED)
  add_library(catvton_cuda OBJECT ${CUDA_SOURCES})
  target_include_directories(catvton_cuda PRIVATE cpp)
  target_compile_options(catvton_cuda PRIVATE -Xcompiler=-Wall,-Wextra,-Werror,-fvisibility=hidden -Werror=all-warnings)
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 13.0)  # drivers of CUDA 12.3 and before cannot unpack it
    target_compile_options(catvton_cuda PRIVATE --compress-mode=size)
  endif()
  target_link_libraries(catvton_cuda PUBLIC CUDA::cudart_static)  # torch's own cudart may be of another major version
  target_compile_definitions(catvton_cuda PUBLIC CATVTON_WITH_CUDA)
  message(STATUS "catvton: CUDA kernels by nvcc ${CMAKE_CUDA_COMPILER_VERSION}")
else()
  set(CATVTON_CUDA_ARCHITECTURES)
  add_library(catvton_cuda INTERFACE)
  message(STATUS "catvton: without CUDA kernels of its own (CATVTON_CUDA is ${CATVTON_CUDA})")
endif()
