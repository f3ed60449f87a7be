"""What people adjust about a mask: its size, its edge, its shape, and what must never be painted.

A length is a number of pixels, or a text like "2%": percent of the picture's longer side, so that it means the same at
every size.
"""

from __future__ import annotations

import numpy as np

from .. import images
from .._native import C
from ..preparation import mask_of_size

Length = float | int | str


def adjust(
    mask: np.ndarray,
    *,
    grow: Length = 0,
    loose: Length = 0,
    clean: Length = 0,
    protect: images.PictureLike | None = None,
    feather: Length = 0,
) -> np.ndarray:
    """All controls in the order that makes sense: loosen, grow, clean, feather, protect. Zeros leave the mask as it is.

    mask: uint8 [H, W]. protect: a mask of what is never painted, whatever the other controls do.
    """
    mask = cleaned(grown(loosened(mask, loose), grow), clean)
    mask = feathered(mask, feather)
    return mask if protect is None else protected(mask, protect)


def pixels(length: Length, shape: tuple[int, ...]) -> float:
    """`length` in pixels of a picture of `shape` [H, W]: 12, 12.5, "12" or "2%" of the longer side."""
    text = str(length).strip()
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        raise ValueError(f"a length is a number of pixels or a percentage like '2%', got {length!r}") from None
    if not np.isfinite(value):
        raise ValueError(f"a length must be finite, got {length!r}")
    return value * max(shape[:2]) / 100 if text.endswith("%") else value


def grown(mask: np.ndarray, length: Length) -> np.ndarray:
    """The mask larger by `length` all round, or smaller by a negative one. 0 is the identity; else the edge is hard."""
    radius = pixels(length, mask.shape)
    return mask if radius == 0 else C.image.grow_disc(_hard(mask), radius)


def feathered(mask: np.ndarray, length: Length) -> np.ndarray:
    """The mask with an edge softened by a Gaussian of sigma `length`; half strength stays where the edge was."""
    sigma = pixels(length, mask.shape)
    if sigma < 0:
        raise ValueError(f"feather must not be negative, got {length!r}; use grow to shrink a mask")
    return C.image.gaussian_blur_pillow(mask, sigma)


def loosened(mask: np.ndarray, length: Length) -> np.ndarray:
    """A wider silhouette, for garments that flare or hang lower than the worn ones.

    The convex hulls of the mask's parts, wider by `length` all round and longer by twice that below. 0 is the identity.
    """
    size = pixels(length, mask.shape)
    if size < 0:
        raise ValueError(f"loose must not be negative, got {length!r}; use grow to shrink a mask")
    if size == 0:
        return mask
    wide = C.image.grow_disc(C.image.convex_hulls(_hard(mask)), size)
    return _lowered(wide, round(2 * size))


def cleaned(mask: np.ndarray, length: Length) -> np.ndarray:
    """Holes closed and islands removed that are smaller than a square of side `length`; the largest island stays.

    0 is the identity; else the edge is hard. The gap between arm and body is a hole too: keep `length` below its size
    (1% to 3% suits drawn and generated masks alike).
    """
    side = pixels(length, mask.shape)
    if side < 0:
        raise ValueError(f"clean must not be negative, got {length!r}")
    return mask if side == 0 else C.image.close_holes_drop_islands(_hard(mask), int(side**2), int(side**2))


def protected(mask: np.ndarray, protect: images.PictureLike) -> np.ndarray:
    """The mask without what `protect` shows; where that is soft, the rest is."""
    keep = mask_of_size(protect, (mask.shape[1], mask.shape[0]), "protect")
    return np.minimum(mask, 255 - keep)


def _hard(mask: np.ndarray) -> np.ndarray:
    return np.where(mask >= 128, np.uint8(255), np.uint8(0))


def _lowered(mask: np.ndarray, distance: int) -> np.ndarray:
    """The mask together with all its copies moved down by 1 .. `distance` rows, in a logarithmic number of steps."""
    out, reach = mask.copy(), 0
    while reach < distance:
        step = min(reach + 1, distance - reach, mask.shape[0])
        out[step:] = np.maximum(out[step:], out[:-step].copy())
        reach += step
    return out
