// What the UNet sees besides noise: person and garment latents joined in space, and the mask.
//
//   masked model:    person above garment, the person hidden under the mask; channels [noisy 4 | mask 1 | condition 4]
//   mask-free model: person left of garment, the person whole;               channels [noisy 4 | condition 4]
//
// The unconditional branch of guidance has zeros for the garment's condition, never for its noisy half or the mask.
// Source: arXiv 2407.15886, sections 3.2 and 3.3; reference implementation, model/pipeline.py.
#pragma once

#include "models/unet/unet.h"
#include "models/vae/vae.h"
#include "tryon/unet_input.h"

namespace catvton::tryon {

enum class Kind { masked, mask_free };

// Throws std::invalid_argument where the UNet's channels fit neither kind.
Kind kind_of(const models::UNetConfig& unet, const models::VAEConfig& vae);

// The dimension of [B, C, H, W] along which person and garment are joined: height (masked) or width (mask-free).
inline int64_t joined_dim(Kind kind) { return kind == Kind::masked ? 2 : 3; }

// All float32.
struct Conditioning {
  Kind kind;
  Tensor person, garment;  // scaled latents [B, 4, h, w]
  OptionalTensor mask;     // {0, 1}, [B, 1, h, w], of masked models

  Ints joined_shape() const;  // of the latents: [B, 4, 2h, w] (masked) or [B, 4, h, 2w] (mask-free)

  // latents: of that shape -> [B, C, joined], or [2B, C, joined] with the unconditional batch first.
  Tensor unet_input(const Tensor& latents, const InputForm& form) const;
};

// mask: {0, 1}, [B, 1, H, W] at picture size (masked models only).
Conditioning condition(Kind kind, const Tensor& person, const Tensor& garment, const OptionalTensor& mask);

// The person's half of joined latents.
Tensor person_half(Kind kind, const Tensor& joined);

}  // namespace catvton::tryon
