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

namespace catvton::tryon {

enum class Kind { masked, mask_free };

// Throws std::invalid_argument where the UNet's channels fit neither kind.
Kind kind_of(const models::UNetConfig& unet, const models::VAEConfig& vae);

// The dimension of [B, C, H, W] along which person and garment are joined: height (masked) or width (mask-free).
inline int64_t joined_dim(Kind kind) { return kind == Kind::masked ? 2 : 3; }

// All float32, joined: [B, C, 2h, w] (masked) or [B, C, h, 2w] (mask-free).
struct Conditioning {
  Kind kind;
  OptionalTensor mask;   // C = 1, zeros beside the garment
  Tensor condition;      // C = latent_channels: [person | garment]
  Tensor unconditional;  // [person | zeros]

  // latents: [B, latent_channels, joined] -> [B, C, joined], or [2B, C, joined] with the unconditional batch first.
  Tensor unet_input(const Tensor& latents, bool guided) const;
};

// person, garment: scaled latents [B, 4, h, w]; mask: {0, 1}, [B, 1, H, W] at picture size (masked models only).
Conditioning join(Kind kind, const Tensor& person, const Tensor& garment, const OptionalTensor& mask);

// The person's half of joined latents.
Tensor person_half(Kind kind, const Tensor& joined);

}  // namespace catvton::tryon
