// h + norm1(h) and norm2 of that, on a GPU, h itself being a sum or not: it is read once. 32 threads share a row, which
// stays in shared memory as float32; mean and variance are taken one after the other, about the mean.
#pragma once

#include <cmath>

#include "ops/gpu/numbers.h"

namespace catvton::ops::gpu {

struct AddAndNormArguments {
  const void* h;                                  // [rows, columns], columns <= longest_shared_row
  const void* residual;                           // added to h first; like h, or null
  const void *weight1, *bias1, *weight2, *bias2;  // [columns]
  void *sum, *normalised;                         // like h
  Number number;
  int64_t rows, columns;
  float eps;
};

constexpr int threads_of_a_row = 32;
constexpr int64_t longest_shared_row = most_shared_floats - 2 * threads_of_a_row;

template <class T, int width>
struct AddAndNorm {
  static constexpr const char* name = "add_and_norm";
  static constexpr int phases = 5;
  struct Private {
    float mean = 0;
  };
  const T *h, *residual, *weight1, *bias1, *weight2, *bias2;
  T *sum, *normalised;
  int64_t rows, columns;
  float eps;

  struct Row {
    int64_t first;  // of the row in memory
    int lane;       // which of the row's threads
    float *values, *sums, *squares;
    bool exists;
  };

  CATVTON_HOST_DEVICE Row row_of(const Thread& at, float* shared) const {
    const int in_block = at.thread / threads_of_a_row;
    const int64_t row = at.block * (at.threads / threads_of_a_row) + in_block;
    float* own = shared + in_block * (columns + 2 * threads_of_a_row);
    return {row * columns, at.thread % threads_of_a_row,     own,
            own + columns, own + columns + threads_of_a_row, row < rows};
  }

  // body(column) for the packs that are this thread's: in every phase the same.
  template <class Body>
  CATVTON_HOST_DEVICE void for_each(const Row& row, const Body& body) const {
    for (int64_t c = row.lane * width; c < columns; c += threads_of_a_row * width) body(c);
  }

  CATVTON_HOST_DEVICE float mean_of(const float* parts) const {
    float total = 0;
    for (int i = 0; i < threads_of_a_row; ++i) total += parts[i];
    return total / static_cast<float>(columns);
  }

  CATVTON_HOST_DEVICE void put_squares(const Row& row, float mean) const {
    float own = 0;
    for_each(row, [&](int64_t c) {
      for (int j = 0; j < width; ++j) own += (row.values[c + j] - mean) * (row.values[c + j] - mean);
    });
    row.squares[row.lane] = own;
  }

  CATVTON_HOST_DEVICE void normalise(const float* values, float mean, float reciprocal, const T* weight, const T* bias,
                                     float (&to)[width]) const {
    float factor[width], added[width];
    load(weight, factor);
    load(bias, added);
    for (int j = 0; j < width; ++j) to[j] = (values[j] - mean) * reciprocal * factor[j] + added[j];
  }

  CATVTON_HOST_DEVICE void phase(Phase<0>, const Thread& at, float* shared, Private&) const {
    const Row row = row_of(at, shared);
    if (!row.exists) return;
    float own = 0;
    for_each(row, [&](int64_t c) {
      float values[width];
      load(h + row.first + c, values);
      if (residual) {
        float added[width];
        load(residual + row.first + c, added);
        for (int j = 0; j < width; ++j) values[j] += added[j];
      }
      for (int j = 0; j < width; ++j) own += row.values[c + j] = values[j];
    });
    row.sums[row.lane] = own;
  }

  CATVTON_HOST_DEVICE void phase(Phase<1>, const Thread& at, float* shared, Private& mine) const {
    const Row row = row_of(at, shared);
    if (!row.exists) return;
    mine.mean = mean_of(row.sums);
    put_squares(row, mine.mean);
  }

  CATVTON_HOST_DEVICE void phase(Phase<2>, const Thread& at, float* shared, Private& mine) const {
    const Row row = row_of(at, shared);
    if (!row.exists) return;
    const float reciprocal = 1 / sqrtf(mean_of(row.squares) + eps);
    float own = 0;
    for_each(row, [&](int64_t c) {
      float values[width];
      normalise(row.values + c, mine.mean, reciprocal, weight1 + c, bias1 + c, values);
      for (int j = 0; j < width; ++j) {
        values[j] += row.values[c + j];
        own += row.values[c + j] = values[j];
      }
      store(sum + row.first + c, values);
    });
    row.sums[row.lane] = own;
  }

  CATVTON_HOST_DEVICE void phase(Phase<3>, const Thread& at, float* shared, Private& mine) const {
    phase(Phase<1>{}, at, shared, mine);  // of the sum
  }

  CATVTON_HOST_DEVICE void phase(Phase<4>, const Thread& at, float* shared, Private& mine) const {
    const Row row = row_of(at, shared);
    if (!row.exists) return;
    const float reciprocal = 1 / sqrtf(mean_of(row.squares) + eps);
    for_each(row, [&](int64_t c) {
      float values[width];
      normalise(row.values + c, mine.mean, reciprocal, weight2 + c, bias2 + c, values);
      store(normalised + row.first + c, values);
    });
  }
};

// As many rows of a block as shared memory holds, and no more than eight.
inline Geometry rows_of_a_block(const AddAndNormArguments& p) {
  const int64_t floats = p.columns + 2 * threads_of_a_row;
  int rows = threads_of_a_block / threads_of_a_row;
  while (rows > 1 && rows * floats > most_shared_floats) rows /= 2;
  return {(p.rows + rows - 1) / rows, rows * threads_of_a_row, rows * floats};
}

template <class Run>
void add_and_norm(const Run& run, const AddAndNormArguments& in) {
  for_number(in.number, [&](auto number) {
    using T = decltype(number);
    auto typed = [](const void* address) { return static_cast<const T*>(address); };
    const bool fit =
        fits_packs<T>(in.columns, in.h, in.residual, in.weight1, in.bias1, in.weight2, in.bias2, in.sum, in.normalised);
    for_width<T>(fit, [&](auto width) {
      run(AddAndNorm<T, decltype(width)::value>{typed(in.h), typed(in.residual), typed(in.weight1), typed(in.bias1),
                                                typed(in.weight2), typed(in.bias2), static_cast<T*>(in.sum),
                                                static_cast<T*>(in.normalised), in.rows, in.columns, in.eps},
          rows_of_a_block(in));
    });
  });
}

void add_and_norm_cuda(const AddAndNormArguments& in, void* stream);  // add_and_norm.cu

}  // namespace catvton::ops::gpu
