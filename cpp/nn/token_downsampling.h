// Fewer tokens to look at: self-attention whose keys and values are means of neighbours (arXiv 2402.13573 takes one of
// them instead of the mean). Every token still asks, and with factor f it is answered by N / f^2.
//
// Person and garment lie side by side in one map, and a token of neither is a mean over both: the map's halves are
// divided into windows each by itself. Windows at the far edges hold what is left.
#pragma once

#include "torch_stable/call.h"

namespace catvton::nn {

struct TokenDownsampling {
  int64_t factor = 1;      // of height and of width; 1: off
  int64_t joined_dim = 2;  // of [B, C, H, W]: along which the map has two halves
};

// tokens: [B, H W, C] -> [B, n, C], n = 2 ceil(H / 2 / f) ceil(W / f) for halves above each other.
Tensor downsampled(const Tensor& tokens, int64_t height, int64_t width, const TokenDownsampling& by);

}  // namespace catvton::nn
