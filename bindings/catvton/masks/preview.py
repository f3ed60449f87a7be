"""A picture that shows a mask over the person, to look at before waiting for a result."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageColor

from .. import images
from .._native import C
from ..preparation import mask_of_size


def preview(
    person: images.PictureLike,
    mask: images.PictureLike,
    colour: str | tuple[int, int, int] = "#e0187a",
    opacity: float = 0.5,
) -> Image.Image:
    """The person with the mask laid over it in `colour`, outlined where it passes one half (what the model takes).

    opacity: 0..1 of the mask's strength; soft edges show softly.
    """
    if not 0 <= opacity <= 1:
        raise ValueError(f"opacity must lie in 0..1, got {opacity}")
    picture = images.rgb_array(person, "person")
    height, width = picture.shape[:2]
    mask_u8 = mask_of_size(mask, (width, height))
    paint = np.empty_like(picture)
    paint[:] = ImageColor.getrgb(colour) if isinstance(colour, str) else colour
    out = C.image.blend(picture, paint, np.rint(mask_u8 * opacity).astype(np.uint8))
    hard = np.where(mask_u8 >= 128, np.uint8(255), np.uint8(0))
    outline = (hard > 0) & (C.image.grow_disc(hard, -max(1, round(max(height, width) / 500))) == 0)
    out[outline] = paint[outline]
    return Image.fromarray(out)
