"""Where the model may paint: masks by category, by hand, and their controls.

A mask is uint8 [H, W]: 255 may be painted, 0 is kept. `agnostic` makes one from label maps, `images.mask_array` reads a
drawn one, `adjust` changes either, `preview` shows it.
"""

from .agnostic import CATEGORIES, COVERABLE, agnostic, identity, losses
from .beside import category_mask
from .controls import adjust, cleaned, feathered, grown, loosened, pixels, protected
from .layers import outfit_masks
from .presets import PRESETS, Preset, preset_mask
from .preview import preview

__all__ = [
    "CATEGORIES",
    "COVERABLE",
    "PRESETS",
    "Preset",
    "adjust",
    "agnostic",
    "category_mask",
    "cleaned",
    "feathered",
    "grown",
    "identity",
    "loosened",
    "losses",
    "outfit_masks",
    "pixels",
    "preset_mask",
    "preview",
    "protected",
]
