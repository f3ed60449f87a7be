# catvton_cuda: the engine's own CUDA kernels (cpp/**/*.cu), which know no torch. CATVTON_CUDA says whether they are
# built: AUTO where nvcc works, ON or fail, OFF. Without them a GPU runs everything through ATen's kernels.
# CATVTON_CUDA_ARCHITECTURES: for what, as CMAKE_CUDA_ARCHITECTURES, which is not asked: from the second configuration on
# it holds nvcc's default, 75 alone, whoever set it.
set(CATVTON_CUDA AUTO CACHE STRING "Build the CUDA kernels: AUTO, ON or OFF")
set_property(CACHE CATVTON_CUDA PROPERTY STRINGS AUTO ON OFF)
set(CATVTON_CUDA_ARCHITECTURES "" CACHE STRING "Architectures of the CUDA kernels; empty: all that nvcc and they know")
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
  enable_language(CUDA)
  if(CATVTON_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES ${CATVTON_CUDA_ARCHITECTURES})
  elseif(CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.8)  # the first that knows 100 and 120
    set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90)
  else()
    set(CMAKE_CUDA_ARCHITECTURES 75-real 80-real 86-real 89-real 90-real 100-real 120)  # and PTX of the newest
  endif()
  list(JOIN CMAKE_CUDA_ARCHITECTURES " " CATVTON_CUDA_BUILT_FOR)
  set(CMAKE_CUDA_STANDARD 17)  # CMake before 3.26 knows no newer one for nvcc
  set(CMAKE_CUDA_STANDARD_REQUIRED ON)
  find_package(CUDAToolkit REQUIRED)
  # One translation unit, its architectures side by side: nvcc reads the CUDA headers once for each architecture and unit,
  # which takes longer than most kernels.
  list(TRANSFORM CUDA_SOURCES REPLACE "(.+)" "#include \"\\1\"")
  list(JOIN CUDA_SOURCES "\n" includes)
  file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/catvton_cuda.cu CONTENT "${includes}\n" @ONLY)
  add_library(catvton_cuda OBJECT ${CMAKE_CURRENT_BINARY_DIR}/catvton_cuda.cu)
  target_include_directories(catvton_cuda PRIVATE cpp)
  target_compile_options(catvton_cuda PRIVATE --threads=0)
  target_compile_options(catvton_cuda PRIVATE -Xcompiler=-Wall,-Wextra,-Werror,-fvisibility=hidden -Werror=all-warnings)
  if(CMAKE_CUDA_COMPILER_VERSION VERSION_GREATER_EQUAL 13.0)  # drivers of CUDA 12.3 and before cannot unpack it
    target_compile_options(catvton_cuda PRIVATE --compress-mode=size)
  endif()
  target_link_libraries(catvton_cuda PUBLIC CUDA::cudart_static)  # torch's own cudart may be of another major version
  target_compile_definitions(catvton_cuda PUBLIC CATVTON_WITH_CUDA)
  message(STATUS "catvton: CUDA kernels by nvcc ${CMAKE_CUDA_COMPILER_VERSION}")
else()
  set(CATVTON_CUDA_BUILT_FOR)
  add_library(catvton_cuda INTERFACE)
  message(STATUS "catvton: without CUDA kernels of its own (CATVTON_CUDA is ${CATVTON_CUDA})")
endif()
