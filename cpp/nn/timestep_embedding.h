// Sinusoidal embedding of the timestep and its two-layer network: diffusers' Timesteps and TimestepEmbedding.
//
//   freqs_i = exp(-ln(10000) i / (C/2 - freq_shift));  emb = [cos(t freqs), sin(t freqs)] (flip_sin_to_cos) in float32
#pragma once

#include "nn/layers.h"

namespace catvton::nn {

struct TimestepEmbedding {
  int64_t channels;  // of the sinusoid
  bool flip_sin_to_cos;
  Linear linear_1, linear_2;
  Tensor freqs;  // float32 [1, C / 2] where the weights are: a copy in every step would wait for the device

  TimestepEmbedding(const weights::Scope& w, int64_t channels, int64_t time_channels, bool flip_sin_to_cos,
                    double freq_shift);
  // timesteps: float32 [B] on the weights' device -> [B, time_channels] in the weights' dtype
  Tensor operator()(const Tensor& timesteps) const;
};

}  // namespace catvton::nn
