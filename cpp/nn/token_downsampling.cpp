#include "nn/token_downsampling.h"

#include <stdexcept>

#include "torch_stable/ops.h"

namespace catvton::nn {

Tensor downsampled(const Tensor& tokens, int64_t height, int64_t width, const TokenDownsampling& by) {
  if (by.factor == 1) return tokens;
  const int64_t batch = tokens.size(0), channels = tokens.size(2);
  const Tensor map = ops::permute(ops::reshape(tokens, {batch, height, width, channels}), {0, 3, 1, 2});
  if (map.size(by.joined_dim) % 2 != 0) {
    throw std::invalid_argument("token_downsampling: a map of " + std::to_string(height) + "x" + std::to_string(width) +
                                " does not halve into person and garment");
  }
  std::vector<Tensor> halves;
  for (const Tensor& half : ops::chunk(map, 2, by.joined_dim)) {
    const Tensor pooled = ops::permute(ops::avg_pool(half, by.factor), {0, 2, 3, 1});
    halves.push_back(ops::reshape(pooled, {batch, pooled.size(1) * pooled.size(2), channels}));
  }
  return ops::cat(halves, 1);  // attention knows no order of keys
}

}  // namespace catvton::nn
