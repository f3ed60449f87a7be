// What a self-attention leaves out; nothing unless told so.
#pragma once

#include "nn/token_downsampling.h"

namespace catvton::nn {

struct AttentionShortcuts {
  TokenDownsampling tokens;
  bool int8_scores = false;  // of ops::attention
};

}  // namespace catvton::nn
