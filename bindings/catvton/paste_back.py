"""The result back into the original picture: what the mask keeps is the original's own bytes, at its own size.

The reference blends at the model's size with a mask blurred by a Gaussian of odd size about height / 50 (inference.py,
`repaint`). Here the blend happens in the original: its resolution, mode, orientation and colour profile stay.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from . import images
from ._native import C
from .masks.controls import Length, feathered, protected
from .preparation import Placement, mask_of_size


def paste_back(
    original: images.PictureLike,
    result: images.PictureLike,
    mask: images.PictureLike | None,
    placement: Placement,
    *,
    feather: Length | None = None,
    protect: images.PictureLike | None = None,
    match_colour: bool = False,
) -> Image.Image:
    """The upright original with `result` where the feathered mask allows it.

    original: the person as it was handed to `prepare`. result: the model's picture, of `placement.target`'s size, uint8
    or float in 0..1. mask: of the original's size (another is resized, with a warning); soft masks stay soft.
    None (the mask-free model) takes the result everywhere in the part that the model saw.
    feather: sigma in pixels of the original or a text like "1%" (of its longer side), 0 for a hard edge; None for the
    reference's rule (`default_feather`).
    protect: a mask that is never painted, of the original's size.
    match_colour: shift the result's colours so that they agree with the original just outside the mask.

    Where the feathered mask is 0 every byte is the original's. The picture keeps the original's mode (L, LA, RGB, RGBA;
    its own transparency too) and carries its colour profile in `info`, which Pillow writes when it saves.
    """
    picture = images.open_picture(original, "original")
    if picture.size != placement.source:
        raise ValueError(
            f"the original is {picture.width}x{picture.height}, but the result was made from a person of "
            f"{placement.source[0]}x{placement.source[1]}; pass the same picture"
        )
    made = images.rgb_array(result, "result")
    if made.shape[1::-1] != placement.target:
        raise ValueError(
            f"the result is {made.shape[1]}x{made.shape[0]}, expected the prepared size "
            f"{placement.target[0]}x{placement.target[1]}"
        )
    everywhere = np.full((picture.height, picture.width), 255, np.uint8)
    mask_u8 = everywhere if mask is None else mask_of_size(mask, placement.source)
    left, top, right, bottom = placement.box
    alpha = feathered(mask_u8, default_feather(bottom - top) if feather is None else feather)
    if protect is not None:
        alpha = protected(alpha, protect)

    colour, opacity = _split(picture)
    window = (slice(top, bottom), slice(left, right))
    patch = placement.undo(made)
    if match_colour:
        patch = _matched(patch, np.array(picture.convert("RGB"))[window], mask_u8[window])
    if colour.ndim == 2:
        patch = np.array(Image.fromarray(patch).convert("L"))
    out = colour.copy()
    out[window] = C.image.blend(colour[window], patch, alpha[window])
    pasted = Image.fromarray(out)
    if opacity is not None:
        pasted.putalpha(Image.fromarray(opacity))
    pasted.info = dict(picture.info)
    return pasted


def check_seam(feather: Length | None, protect: images.PictureLike | None) -> None:
    """Refuses what `paste_back` would refuse, before a model has worked for it."""
    if feather is not None:
        feathered(np.zeros((1, 1), np.uint8), feather)
    if protect is not None:
        images.mask_array(protect, "protect")


def default_feather(height: int) -> int:
    """The reference's blur for a picture of `height`: height // 50, made odd."""
    size = height // 50
    return size + (size % 2 == 0)


def repaint(person: np.ndarray, mask: np.ndarray, result: np.ndarray) -> np.ndarray:
    """The reference's own repaint at the model's size, to the bit: values are cut, not rounded.

    person, result: uint8 [H, W, 3]; mask: uint8 [H, W]. `paste_back` is the better way; this one is for comparisons.
    """
    alpha = C.image.gaussian_blur_pillow(mask, default_feather(result.shape[0]))
    return C.image.blend(person, result, alpha, truncate=True)


def _split(picture: Image.Image) -> tuple[np.ndarray, np.ndarray | None]:
    """Colour [H, W] or [H, W, 3], and opacity [H, W] where the picture has one."""
    pixels = np.array(picture)
    if picture.mode == "LA":
        return np.ascontiguousarray(pixels[..., 0]), pixels[..., 1]
    if picture.mode == "RGBA":
        return np.ascontiguousarray(pixels[..., :3]), pixels[..., 3]
    return pixels, None


def _matched(patch: np.ndarray, original: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """`patch` with each channel shifted by the median difference to the original in a ring just outside the mask.

    The model repaints everything, and what it did to the kept pixels shows how its colours drifted. The median ignores
    shadows and edges that moved; the ring is a fiftieth of the height wide.
    """
    ring = (C.image.grow_disc(mask, max(2, mask.shape[0] / 50)) > 0) & (mask == 0)
    if not ring.any():
        return patch
    at = np.flatnonzero(ring)
    at = at[:: -(-at.size // 100_000)]  # enough for a median, also of a large picture
    shift = np.median(original.reshape(-1, 3)[at].astype(np.int16) - patch.reshape(-1, 3)[at], axis=0)
    tables = np.clip(np.rint(np.arange(256)[:, None] + shift), 0, 255).astype(np.uint8)  # [256, 3]
    return np.stack([tables[:, channel][patch[..., channel]] for channel in range(3)], axis=-1)
