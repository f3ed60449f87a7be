#include "tryon/conditioning.h"

#include <stdexcept>

#include "torch_stable/ops.h"
#include "torch_stable/tensor.h"

namespace catvton::tryon {

Kind kind_of(const models::UNetConfig& unet, const models::VAEConfig& vae) {
  const int64_t latent = vae.latent_channels;
  if (unet.in_channels == 2 * latent + 1) return Kind::masked;
  if (unet.in_channels == 2 * latent) return Kind::mask_free;
  throw std::invalid_argument("the UNet has " + std::to_string(unet.in_channels) + " input channels; CatVTON needs " +
                              std::to_string(2 * latent + 1) + " (an inpainting UNet, masked) or " +
                              std::to_string(2 * latent) + " (an instruct-pix2pix UNet, mask-free)");
}

Conditioning condition(Kind kind, const Tensor& person, const Tensor& garment, const OptionalTensor& mask) {
  if (kind == Kind::mask_free) return {kind, person, garment, {}};
  return {kind, person, garment, ops::resize_nearest(mask.value(), person.size(2), person.size(3))};
}

Ints Conditioning::joined_shape() const {
  Ints shape = shape_of(person);
  shape[joined_dim(kind)] *= 2;
  return shape;
}

Tensor Conditioning::unet_input(const Tensor& latents, const InputForm& form) const {
  return tryon::unet_input({latents, person, garment, mask, joined_dim(kind)}, form);
}

Tensor person_half(Kind kind, const Tensor& joined) {
  const int64_t dim = joined_dim(kind);
  return ops::narrow(joined, dim, 0, joined.size(dim) / 2);
}

}  // namespace catvton::tryon
