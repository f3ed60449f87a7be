// An 8-bit picture: rows of pixels of interleaved channels, as Pillow, numpy and OpenCV share it.
#pragma once

#include <cstdint>
#include <vector>

namespace catvton::image {

struct Shape {
  int64_t height = 0, width = 0, channels = 1;
  int64_t row() const { return width * channels; }  // bytes from one row to the next
  int64_t bytes() const { return height * row(); }
  bool operator==(const Shape&) const = default;
};

// Someone else's bytes, contiguous, [height, width, channels].
struct View {
  const uint8_t* data;
  Shape shape;
  const uint8_t* row(int64_t y) const { return data + y * shape.row(); }
};

// Our own bytes.
struct Image {
  Shape shape;
  std::vector<uint8_t> data;

  explicit Image(Shape shape) : shape(shape), data(shape.bytes()) {}
  explicit Image(const View& view) : shape(view.shape), data(view.data, view.data + view.shape.bytes()) {}
  operator View() const { return {data.data(), shape}; }
  uint8_t* row(int64_t y) { return data.data() + y * shape.row(); }
  const uint8_t* row(int64_t y) const { return data.data() + y * shape.row(); }
};

}  // namespace catvton::image
