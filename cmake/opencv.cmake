# catvton_opencv: OpenCV's core and imgproc. Linked statically where the archives exist, so that the module runs on
# machines without OpenCV and brings no TBB, LAPACK or OpenGL along (cpp/image/opencv_standins.cpp); shared otherwise.
find_package(OpenCV 4 QUIET COMPONENTS core imgproc)
if(NOT OpenCV_FOUND)
  message(FATAL_ERROR "OpenCV 4 was not found: install it (Debian, Ubuntu: libopencv-dev; conda, vcpkg, Homebrew: opencv) "
                      "or point OpenCV_DIR at its CMake files")
endif()
add_library(catvton_opencv INTERFACE)
target_include_directories(catvton_opencv SYSTEM INTERFACE ${OpenCV_INCLUDE_DIRS})

get_target_property(opencv_core_file opencv_core LOCATION)
get_filename_component(opencv_folder "${opencv_core_file}" DIRECTORY)
find_library(OPENCV_CORE_ARCHIVE libopencv_core.a PATHS "${opencv_folder}" NO_DEFAULT_PATH)
find_library(OPENCV_IMGPROC_ARCHIVE libopencv_imgproc.a PATHS "${opencv_folder}" NO_DEFAULT_PATH)

if(OPENCV_CORE_ARCHIVE AND OPENCV_IMGPROC_ARCHIVE AND CMAKE_SYSTEM_NAME STREQUAL "Linux")
  find_package(ZLIB REQUIRED)
  target_link_libraries(catvton_opencv INTERFACE
    ${OPENCV_IMGPROC_ARCHIVE} ${OPENCV_CORE_ARCHIVE} ZLIB::ZLIB
    -Wl,--exclude-libs,ALL  # OpenCV's names stay inside: another OpenCV in the process is not disturbed
    -Wl,--gc-sections)
  set(CATVTON_OPENCV_UNUSED)
else()
  message(STATUS "catvton: no static OpenCV beside ${opencv_core_file}; the module will need OpenCV's shared libraries")
  target_link_libraries(catvton_opencv INTERFACE opencv_imgproc opencv_core)
  set(CATVTON_OPENCV_UNUSED ${CMAKE_CURRENT_SOURCE_DIR}/cpp/image/opencv_standins.cpp)
endif()
