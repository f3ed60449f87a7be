// The agnostic mask: where a garment of some category may be painted, from what human parsing says about each pixel.
//
// Source: the reference implementation (github.com/Zheng-Chong/CatVTON, model/cloth_masker.py), step by step. Which
// labels make up each plane is the caller's business (bindings/catvton/masks/agnostic.py).
#pragma once

#include "image/image.h"

namespace catvton::image {

// One-channel planes of one size; any value but 0 belongs to the part.
struct BodyParts {
  View hands_and_feet;  // kept where they meet the limbs
  View limbs;           // arms and legs
  View face;            // kept
  View kept;            // kept unless the category's body or clothes lie there: other clothes, hair, accessories
  View background;
  View body;     // repainted: the category's part of the body
  View clothes;  // repainted: the category's clothes
};

// 255 where the model may paint.
Image agnostic_mask(const BodyParts& parts);

}  // namespace catvton::image
