#include "tryon/conditioning.h"

#include <stdexcept>

#include "torch_stable/ops.h"

namespace catvton::tryon {

Kind kind_of(const models::UNetConfig& unet, const models::VAEConfig& vae) {
  const int64_t latent = vae.latent_channels;
  if (unet.in_channels == 2 * latent + 1) return Kind::masked;
  if (unet.in_channels == 2 * latent) return Kind::mask_free;
  throw std::invalid_argument("the UNet has " + std::to_string(unet.in_channels) + " input channels; CatVTON needs " +
                              std::to_string(2 * latent + 1) + " (an inpainting UNet, masked) or " +
                              std::to_string(2 * latent) + " (an instruct-pix2pix UNet, mask-free)");
}

Conditioning join(Kind kind, const Tensor& person, const Tensor& garment, const OptionalTensor& mask) {
  const int64_t dim = joined_dim(kind);
  Conditioning joined{.kind = kind,
                      .mask = {},
                      .condition = ops::cat({person, garment}, dim),
                      .unconditional = ops::cat({person, ops::zeros_like(garment)}, dim)};
  if (kind == Kind::masked) {
    Tensor latent_mask = ops::resize_nearest(mask.value(), person.size(2), person.size(3));  // [B, 1, h, w]
    joined.mask = ops::cat({latent_mask, ops::zeros_like(latent_mask)}, dim);                // [B, 1, 2h, w]
  }
  return joined;
}

Tensor Conditioning::unet_input(const Tensor& latents, bool guided) const {
  auto stacked = [&](const Tensor& garment_condition) {
    return mask ? ops::cat({latents, *mask, garment_condition}, 1) : ops::cat({latents, garment_condition}, 1);
  };
  return guided ? ops::cat({stacked(unconditional), stacked(condition)}, 0) : stacked(condition);
}

Tensor person_half(Kind kind, const Tensor& joined) {
  const int64_t dim = joined_dim(kind);
  return ops::narrow(joined, dim, 0, joined.size(dim) / 2);
}

}  // namespace catvton::tryon
