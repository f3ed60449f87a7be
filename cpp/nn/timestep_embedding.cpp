#include "nn/timestep_embedding.h"

#include <cmath>

#include "nn/tap.h"
#include "torch_stable/ops.h"

namespace catvton::nn {
namespace {

// float32 [1, count] on the device of `like`.
Tensor frequencies(int64_t count, double freq_shift, const Tensor& like) {
  Tensor table = torch::stable::empty(Ints{1, count}, ScalarType::Float);
  float* values = table.mutable_data_ptr<float>();
  const float exponent_step = -std::log(10000.0f);
  for (int64_t i = 0; i < count; ++i) {
    values[i] = std::exp(exponent_step * static_cast<float>(i) / static_cast<float>(count - freq_shift));
  }
  return torch::stable::to(table, like.device());
}

}  // namespace

TimestepEmbedding::TimestepEmbedding(const weights::Scope& w, int64_t channels, int64_t time_channels,
                                     bool flip_sin_to_cos, double freq_shift)
    : channels(channels),
      flip_sin_to_cos(flip_sin_to_cos),
      linear_1(w / "linear_1", channels, time_channels),
      linear_2(w / "linear_2", time_channels, time_channels),
      freqs(frequencies(channels / 2, freq_shift, linear_1.weight)) {}

Tensor TimestepEmbedding::operator()(const Tensor& timesteps) const {
  Tensor angles = ops::mul(ops::reshape(timesteps, {-1, 1}), freqs);
  Tensor cosines = ops::cos(angles), sines = ops::sin(angles);                                        // [B, C / 2]
  Tensor sinusoid = flip_sin_to_cos ? ops::cat({cosines, sines}, 1) : ops::cat({sines, cosines}, 1);  // [B, C]
  tap::record("layer.unet.time_proj", sinusoid);
  Tensor h = linear_2(ops::silu(linear_1(ops::to(sinusoid, linear_1.weight.scalar_type()))));
  tap::record("layer.unet.time_embedding", h);
  return h;
}

}  // namespace catvton::nn
