"""From pictures to what the model reads, and what is needed to come back.

The arithmetic is the reference implementation's to the bit (model/pipeline.py and utils.py there): centre crop or pad
in whole pixels, Pillow's LANCZOS, x / 127.5 - 1, the mask at >= 0.5, nearest for the latent mask.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np

from . import images
from ._native import C

Fit = Literal["pad", "crop", "stretch"]
Box = tuple[int, int, int, int]  # left, top, right, bottom; right and bottom are outside, as in Pillow


@dataclass(frozen=True)
class Placement:
    """Where a source picture went: its part `box` was resampled into `inner` of a picture of size `target`."""

    source: tuple[int, int]  # width, height
    target: tuple[int, int]  # width, height
    box: Box
    inner: Box

    @classmethod
    def of(cls, source: tuple[int, int], target: tuple[int, int], fit: Fit) -> Placement:
        """How `fit` places a picture of size `source` (width, height) in `target`.

        crop: the largest centred part of target's aspect ratio fills it (the reference, for persons and masks).
        pad: the whole picture, centred (the reference, for garments). stretch: the whole picture, distorted.
        """
        (w, h), (tw, th) = source, target
        box, inner = (0, 0, w, h), (0, 0, tw, th)
        is_narrower = w / h < tw / th
        if fit == "crop":
            cut = (w, w * th // tw) if is_narrower else (h * tw // th, h)
            box = _centred(source, (max(cut[0], 1), max(cut[1], 1)))
        elif fit == "pad":
            size = (w * th // h, th) if is_narrower else (tw, h * tw // w)
            inner = _centred(target, (max(size[0], 1), max(size[1], 1)))
        elif fit != "stretch":
            raise ValueError(f"fit must be 'pad', 'crop' or 'stretch', got {fit!r}")
        return cls(source, target, box, inner)

    def apply(self, picture: np.ndarray, background: int) -> np.ndarray:
        """uint8 [H, W] or [H, W, C] of the source's size -> the same of the target's size, padded with `background`."""
        left, top, right, bottom = self.box
        x0, y0, x1, y1 = self.inner
        part = C.image.resample_lanczos(picture[top:bottom, left:right], y1 - y0, x1 - x0)
        if self.inner == (0, 0, *self.target):
            return part
        out = np.full((self.target[1], self.target[0], *picture.shape[2:]), background, np.uint8)
        out[y0:y1, x0:x1] = part
        return out

    def undo(self, picture: np.ndarray) -> np.ndarray:
        """uint8 [H, W, C] of the target's size -> what belongs into `box` of the source, [box height, box width, C]."""
        left, top, right, bottom = self.box
        x0, y0, x1, y1 = self.inner
        return C.image.resample_lanczos(picture[y0:y1, x0:x1], bottom - top, right - left)


@dataclass(frozen=True)
class Preparation:
    """What the model reads, as float32 arrays; the engine hides the person and shrinks the mask by itself."""

    person: np.ndarray  # [1, 3, H, W] in -1..1
    garment: np.ndarray  # [1, 3, H, W] in -1..1
    mask: np.ndarray | None  # [1, 1, H, W], 1 is painted, 0 is kept; None for the mask-free model
    placement: Placement  # the person's and the mask's


def prepare(
    person: images.PictureLike,
    garment: images.PictureLike,
    mask: images.PictureLike | None,
    height: int = 1024,
    width: int = 768,
    fit: Fit = "pad",
    mask_blur: float = 0,
) -> Preparation:
    """The arrays of one try-on at `height` x `width` (multiples of 8).

    person, garment, mask: anything `images.open_picture` takes. A mask of another size than the person is resized, with
    a warning. mask=None is for the mask-free model.
    fit: how person and mask reach the size (`Placement.of`). The garment is padded with white, or stretched where `fit`
    is "stretch" (the reference's command line).
    mask_blur: sigma in pixels of the prepared size, before the mask is cut at one half; it rounds the mask's corners.
    The reference's application uses 9.
    """
    check_size(height, width)
    target = (width, height)
    person_rgb, garment_rgb = images.rgb_array(person, "person"), images.rgb_array(garment, "garment")
    placement = Placement.of(_size(person_rgb), target, fit)
    garment_placement = Placement.of(_size(garment_rgb), target, "stretch" if fit == "stretch" else "pad")
    person_f32 = to_model_range(placement.apply(person_rgb, background=255))
    garment_f32 = to_model_range(garment_placement.apply(garment_rgb, background=255))
    if mask is None:
        return Preparation(person_f32, garment_f32, None, placement)
    mask_u8 = mask_of_size(mask, placement.source)
    images.check_mask(mask_u8)
    mask_u8 = C.image.gaussian_blur_pillow(placement.apply(mask_u8, background=0), mask_blur)
    if not (mask_u8 >= 128).any():
        raise ValueError(f"nothing is left of the mask after fit={fit!r} to {width}x{height}; use fit='pad'")
    return Preparation(person_f32, garment_f32, binarize(mask_u8), placement)


def check_size(height: int, width: int) -> None:
    """Refuses a size that is not a positive multiple of 8 (the VAE's factor)."""
    for name, value in (("height", height), ("width", width)):
        if value < 8 or value % 8:
            nearest = max(8, round(value / 8) * 8)
            raise ValueError(f"{name} must be a positive multiple of 8, got {value}; the nearest is {nearest}")


def mask_of_size(mask: images.PictureLike, size: tuple[int, int], name: str = "mask") -> np.ndarray:
    """The mask as uint8 [H, W] of `size` (width, height); one of another size is resized, with a warning."""
    array = images.mask_array(mask, name)
    if _size(array) != size:
        warnings.warn(
            f"{name} is {array.shape[1]}x{array.shape[0]}, the person {size[0]}x{size[1]}; the mask is resized",
            stacklevel=3,
        )
        array = C.image.resample_lanczos(array, size[1], size[0])
    return array


def to_model_range(picture: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] -> float32 [1, 3, H, W] in -1..1."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None]).astype(np.float32) / 127.5 - 1.0


def binarize(mask: np.ndarray) -> np.ndarray:
    """uint8 [H, W] -> float32 [1, 1, H, W] of 0 and 1: byte / 255 >= 0.5 is painted."""
    return (mask[None, None] >= 128).astype(np.float32)


def _size(array: np.ndarray) -> tuple[int, int]:
    return array.shape[1], array.shape[0]


def _centred(outer: tuple[int, int], inner: tuple[int, int]) -> Box:
    left, top = (outer[0] - inner[0]) // 2, (outer[1] - inner[1]) // 2
    return left, top, left + inner[0], top + inner[1]
