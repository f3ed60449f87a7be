#include "nn/strips.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <vector>

#include "nn/poll.h"
#include "ops/group_norm/group_norm.h"
#include "ops/kernels.h"
#include "ops/products.h"
#include "torch_stable/free_memory.h"
#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::nn {
namespace {

constexpr int64_t rows_dim = 2;  // of [B, C, H, W]

Tensor rows_of(const Tensor& x, int64_t first, int64_t last) { return ops::narrow(x, rows_dim, first, last - first); }

// fill(first, last) for strips of `rows` that cover x's height; on `meta`, which only measures, for those of every kind:
// the first, one in the middle, the last.
void for_strips(const Tensor& x, int64_t height, int64_t rows, const std::function<void(int64_t, int64_t)>& fill) {
  for (int64_t first = 0; first < height; first += rows) {
    if (is_meta(x) && first > rows && first + rows < height) continue;
    poll::look();
    fill(first, std::min(first + rows, height));
  }
}

// A map of which some rows are asked for at a time.
struct Map {
  Tensor like;  // of its dtype, device and memory format
  int64_t channels, height, width;
  std::function<Tensor(int64_t, int64_t)> rows;

  int64_t batch() const { return like.size(0); }
};

Map whole(const Tensor& x) {
  return {x, x.size(1), x.size(2), x.size(3), [x](int64_t from, int64_t to) { return rows_of(x, from, to); }};
}

// x enlarged and convolved. Beside the rows that a part of x makes, one row more of x is read where there is one.
Map upsampled(const Upsample2D& upsample, const Tensor& x) {
  return {x, x.size(1), 2 * x.size(2), 2 * x.size(3), [&upsample, x](int64_t from, int64_t to) {
            const int64_t first = std::max<int64_t>(0, from / 2 - 1), last = std::min(x.size(2), (to + 1) / 2 + 1);
            const Tensor part = upsample(rows_of(x, first, last), 2 * (last - first), 2 * x.size(3));
            return rows_of(part, from - 2 * first, to - 2 * first);
          }};
}

// silu(norm(x)) for any rows of x, with the statistics of all rows.
class NormSilu {
 public:
  NormSilu(const GroupNorm& norm, const Map& x, int64_t rows) : eps_(norm.eps) {
    if (ops::ChannelSums::suits(x.like)) {
      ops::ChannelSums sums;
      for_strips(x.like, x.height, rows, [&](int64_t first, int64_t last) { sums.add(x.rows(first, last)); });
      factors_ = sums.factors(norm.groups, norm.weight, norm.bias, norm.eps);
      return;
    }
    const int64_t batch = x.batch(), in_group = x.channels / norm.groups;
    const int64_t row = in_group * x.width;  // elements of one
    struct Part {
      double count;
      Tensor mean, squares;  // float32 [B, groups]; squares: sum of (x - mean)^2
    };
    std::vector<Part> parts;
    for_strips(x.like, x.height, rows, [&](int64_t first, int64_t last) {
      const int64_t count = (last - first) * row;
      const Tensor strip = ops::to(ops::reshape(x.rows(first, last), {batch, norm.groups, count}), ScalarType::Float);
      const auto [variance, mean] = ops::var_mean(strip, 2);
      // With one element, the variance over n - 1 is no number, and the sum of squares 0.
      parts.push_back({double(count), mean, count > 1 ? ops::mul(variance, count - 1.0) : ops::zeros_like(mean)});
    });
    const double count = static_cast<double>(x.height * row);
    Tensor mean = ops::mul(parts[0].mean, parts[0].count / count), squares = parts[0].squares;
    for (size_t i = 1; i < parts.size(); ++i) {
      mean = ops::add(mean, ops::mul(parts[i].mean, parts[i].count / count));
      squares = ops::add(squares, parts[i].squares);
    }
    for (const Part& part : parts) {
      const Tensor apart = ops::sub(part.mean, mean);
      squares = ops::add(squares, ops::mul(ops::mul(apart, apart), part.count));
    }
    const Tensor ones = ops::full({1, 1, in_group}, 1.0, ScalarType::Float, x.like);
    auto per_channel = [&](const Tensor& per_group) {  // [B, groups] -> [B C]
      return ops::reshape(ops::mul(ops::reshape(per_group, {batch, norm.groups, 1}), ones), {batch * x.channels});
    };
    mean_ = per_channel(mean);
    variance_ = per_channel(ops::div(squares, count));
    const std::vector<Tensor> weights(batch, norm.weight), biases(batch, norm.bias);
    weight_ = ops::to(ops::cat(weights, 0), ScalarType::Float);
    bias_ = ops::to(ops::cat(biases, 0), ScalarType::Float);
  }

  Tensor operator()(const Tensor& x) const {
    if (factors_) return ops::scale_shift_silu(x, *factors_);
    const int64_t batch = x.size(0), channels = x.size(1), height = x.size(2), width = x.size(3);
    Tensor flat = ops::reshape(x, {1, batch * channels, height, width});
    flat = ops::batch_norm(flat, weight_, bias_, mean_, variance_, eps_);
    return ops::reshape(ops::silu(flat), {batch, channels, height, width});
  }

 private:
  double eps_;
  std::optional<ops::ChannelFactors> factors_;  // where a kernel of ours made them; else the rest
  Tensor mean_, variance_, weight_, bias_;      // float32 [B C]
};

// Rows [first, last) of a 3x3 convolution, padded by one, over what `input` gives for rows of a map of `height`. Packed
// weights know one padding for both dimensions: there the rows beside the strip are computed, too, and dropped.
Tensor conv_rows(const Conv2d& conv, int64_t height, int64_t first, int64_t last,
                 const std::function<Tensor(int64_t, int64_t)>& input) {
  const int64_t above = first == 0, below = last == height;
  Tensor x = input(first - 1 + above, last + 1 - below);
  if (conv.pads_alike()) return ops::narrow(conv(x), rows_dim, !above, last - first);
  if (above || below) x = ops::pad_zeros(x, {0, 0, above, below});
  return ops::products::conv2d(x, conv.weight, conv.bias, 1, {0, 1});
}

Tensor empty_map(const Tensor& like, int64_t channels, int64_t height, int64_t width) {
  const int64_t batch = like.size(0);
  if (!ops::pictures_are_channels_last(like)) return ops::empty({batch, channels, height, width}, like);
  return ops::permute(ops::empty({batch, height, width, channels}, like), {0, 3, 1, 2});
}

// block(x). What a row of the result takes are rows up to the one below it of the map between the convolutions, which therefore
// lies one row further on in the same memory.
Tensor in_strips(const ResnetBlock2D& block, const Map& x, int64_t rows) {
  const Tensor memory = empty_map(x.like, block.conv1.bias.size(0), x.height + 1, x.width);
  const Tensor h = rows_of(memory, 1, x.height + 1), result = rows_of(memory, 0, x.height);
  {
    const NormSilu norm1(block.norm1, x, rows);
    for_strips(x.like, x.height, rows, [&](int64_t first, int64_t last) {
      auto input = [&](int64_t from, int64_t to) { return norm1(x.rows(from, to)); };
      ops::copy_into(rows_of(h, first, last), conv_rows(block.conv1, x.height, first, last, input));
    });
  }
  const NormSilu norm2(block.norm2, whole(h), rows);
  for_strips(x.like, x.height, rows, [&](int64_t first, int64_t last) {
    auto input = [&](int64_t from, int64_t to) { return norm2(rows_of(h, from, to)); };
    const Tensor strip = conv_rows(block.conv2, x.height, first, last, input), before = x.rows(first, last);
    ops::copy_into(rows_of(result, first, last),
                   ops::add(block.conv_shortcut ? (*block.conv_shortcut)(before) : before, strip));
  });
  return result;
}

}  // namespace

int64_t Strips::rows(int64_t batch, int64_t channels, int64_t height, int64_t width) const {
  if (elements <= 0) return height;
  const int64_t fitting = elements / std::max<int64_t>(1, batch * channels * width);
  return std::max<int64_t>(2, fitting / 2 * 2);
}

bool Strips::divide(const Tensor& x) const { return rows(x.size(0), x.size(1), x.size(2), x.size(3)) < x.size(2); }

Tensor in_strips(const ResnetBlock2D& block, const Tensor& x, const Strips& strips) {
  torch_stable::give_back_free_memory_before(x);
  if (!strips.divide(x)) return block(x);
  return in_strips(block, whole(x), strips.rows(x.size(0), x.size(1), x.size(2), x.size(3)));
}

bool is_best_not_held(const Upsample2D& upsample, const Tensor& x, const Strips& strips) {
  constexpr int64_t many = 16;
  return upsample.conv.winograd && strips.elements > 0 && 4 * x.numel() > many * strips.elements;
}

Tensor in_strips(const Upsample2D& upsample, const ResnetBlock2D& block, const Tensor& x, const Strips& strips) {
  torch_stable::give_back_free_memory_before(x);
  const Map enlarged = upsampled(upsample, x);
  return in_strips(block, enlarged, strips.rows(x.size(0), enlarged.channels, enlarged.height, enlarged.width));
}

Tensor in_strips(const Upsample2D& upsample, const Tensor& x, const Strips& strips) {
  const int64_t channels = x.size(1), height = 2 * x.size(2), width = 2 * x.size(3);
  const int64_t rows = strips.rows(x.size(0), channels, height, width);
  if (rows >= height || upsample.conv.winograd) return upsample(x, height, width);  // which makes no enlarged map
  Tensor h = empty_map(x, channels, height, width);
  for_strips(x, height, rows, [&](int64_t first, int64_t last) {
    auto input = [&](int64_t from, int64_t to) {  // rows of the enlarged map, of which two make one of x
      const int64_t source = from / 2, source_end = (to + 1) / 2;
      const Tensor enlarged = ops::resize_nearest(rows_of(x, source, source_end), 2 * (source_end - source), width);
      return rows_of(enlarged, from - 2 * source, to - 2 * source);
    };
    ops::copy_into(rows_of(h, first, last), conv_rows(upsample.conv, height, first, last, input));
  });
  return h;
}

Tensor in_strips(const Downsample2D& downsample, const Tensor& x, const Strips& strips) {
  if (!strips.divide(x)) return downsample(x);
  const int64_t height = x.size(2) / 2, rows = strips.rows(x.size(0), x.size(1), x.size(2), x.size(3)) / 2;
  Tensor h = empty_map(x, downsample.conv.bias.size(0), height, x.size(3) / 2);
  for_strips(x, height, rows, [&](int64_t first, int64_t last) {
    const int64_t end = std::min(2 * last + 1, x.size(2));  // the row below the last one is padding
    const Tensor strip = ops::pad_zeros(rows_of(x, 2 * first, end), {0, 1, 0, 2 * last + 1 - end});
    ops::copy_into(rows_of(h, first, last), downsample.conv(strip));
  });
  return h;
}

Tensor in_strips(const GroupNorm& norm, const Conv2d& conv, const Tensor& x, const Strips& strips) {
  if (!strips.divide(x)) return conv(norm.silu(x));
  const int64_t height = x.size(2), rows = strips.rows(x.size(0), x.size(1), height, x.size(3));
  const NormSilu normalised(norm, whole(x), rows);
  Tensor h = empty_map(x, conv.bias.size(0), height, x.size(3));
  for_strips(x, height, rows, [&](int64_t first, int64_t last) {
    auto input = [&](int64_t from, int64_t to) { return normalised(rows_of(x, from, to)); };
    ops::copy_into(rows_of(h, first, last), conv_rows(conv, height, first, last, input));
  });
  return h;
}

}  // namespace catvton::nn
