// The UNet's input, put together in every step: latents, mask and condition one behind the other in channels, person and
// garment joined in space, once for each branch of guidance (conditioning.h), in the UNet's dtype and memory format. On a
// GPU one kernel writes it.
#pragma once

#include "torch_stable/call.h"

namespace catvton::tryon {

struct InputParts {
  const Tensor& latents;           // [B, C, joined], float32 as the others
  const Tensor &person, &garment;  // [B, C, h, w]
  const OptionalTensor& mask;      // [B, 1, h, w] at latent size, over the person; zeros beside the garment
  int64_t joined_dim;              // 2: person above garment, 3: left of it
};

struct InputForm {
  bool guided;  // two branches, the unconditional one, with zeros for the garment's condition, first
  ScalarType dtype;
  bool channels_last = false;
};

// -> [B or 2B, 2C or 2C + 1, joined]
Tensor unet_input(const InputParts& parts, const InputForm& form);

}  // namespace catvton::tryon
