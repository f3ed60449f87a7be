// The agnostic mask: where a garment of some category may be painted, from what human parsing says about each pixel.
//
// Source: the reference implementation (github.com/Zheng-Chong/CatVTON, model/cloth_masker.py), step by step. Which
// labels mean which part is the caller's business (bindings/catvton/masks/agnostic.py).
#pragma once

#include "image/image.h"

namespace catvton::image {

// What is known about a pixel, one bit each.
enum Part : uint8_t {
  kExtremity = 1,  // hand or foot: kept where it meets a limb
  kLimb = 2,       // arm or leg
  kFace = 4,       // kept
  kKept = 8,       // other clothes, hair, accessories: kept unless the category's body or clothes lie there
  kPerson = 16,    // not background
  kBody = 32,      // the category's part of the body: repainted
  kClothes = 64,   // the category's clothes: repainted
};

// parts: one channel of Part bits. 255 where the model may paint.
Image agnostic_mask(const View& parts);

}  // namespace catvton::image
