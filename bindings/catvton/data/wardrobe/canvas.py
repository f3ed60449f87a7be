"""A picture that is painted patch by patch, and its human-parsing labels, kept in step.

Antialiasing: outlines are filled at four times the resolution and averaged down to a coverage in [0, 1]; colours are
computed once per pixel. A label belongs to the topmost patch that covers at least half of a pixel.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .geometry import Box, Camera

FINE = 4  # sub-pixels per pixel and axis


class Patch(NamedTuple):
    """Coverage `alpha` [h, w], float32 in [0, 1], of the pixels in `box`."""

    box: Box
    alpha: np.ndarray

    def within(self, allowed: np.ndarray) -> Patch:
        """Nothing outside `allowed` [H, W], boolean."""
        return Patch(self.box, self.alpha * allowed[self.box.index])


def cover(outlines, camera: Camera) -> Patch | None:
    """Coverage of the union of `outlines` (each [n, 2], cm), or None where nothing falls into the picture."""
    pixels = camera.pixels(np.concatenate(outlines))
    low, high = pixels.min(0), pixels.max(0)
    left, top = max(0, int(np.floor(low[0]))), max(0, int(np.floor(low[1])))
    right, bottom = min(camera.width, int(np.ceil(high[0])) + 1), min(camera.height, int(np.ceil(high[1])) + 1)
    if right <= left or bottom <= top:
        return None
    fine = Image.new("L", ((right - left) * FINE, (bottom - top) * FINE))
    pen = ImageDraw.Draw(fine)
    corners, first = ((pixels - (left, top)) * FINE - 0.5).ravel().tolist(), 0
    for outline in outlines:
        last = first + 2 * len(outline)
        pen.polygon(corners[first:last], fill=255)
        first = last
    return Patch(Box(left, top, right, bottom), np.asarray(fine.reduce(FINE), np.float32) / 255)


def soften(patch: Patch, radius: float, size: tuple[int, int], shift: tuple[float, float] = (0, 0)) -> Patch:
    """`patch` blurred by `radius` pixels and moved by `shift` pixels (right, down), in a picture of `size` (h, w)."""
    margin = int(np.ceil(radius * 2)) + 1
    dx, dy = round(shift[0]), round(shift[1])
    box = patch.box
    big = Image.new("L", (box.right - box.left + 2 * margin, box.bottom - box.top + 2 * margin))
    big.paste(Image.fromarray(np.rint(patch.alpha * 255).astype(np.uint8)), (margin, margin))
    big = big.filter(ImageFilter.BoxBlur(radius * 0.7)).filter(ImageFilter.BoxBlur(radius * 0.7))
    left, top = box.left - margin + dx, box.top - margin + dy
    cut = Box(max(0, left), max(0, top), min(size[1], left + big.width), min(size[0], top + big.height))
    if cut.right <= cut.left or cut.bottom <= cut.top:
        return Patch(Box(0, 0, 0, 0), np.zeros((0, 0), np.float32))
    alpha = np.asarray(big, np.float32)[cut.top - top : cut.bottom - top, cut.left - left : cut.right - left] / 255
    return Patch(cut, alpha)


class Canvas:
    """rgb [H, W, 3] float32 in 0..255 (premultiplied); tags [H, W] uint16: what each pixel shows.

    Starts empty. An overlay also keeps its coverage `alpha` [H, W], for laying it over another canvas later.
    A tag packs the ATR label, the LIP label and `part`, a number of the caller's own (0: none): 5 + 5 + 6 bits.
    """

    def __init__(self, camera: Camera, overlay: bool = False):
        self.camera = camera
        self.size = (camera.height, camera.width)
        self.rgb = np.zeros((*self.size, 3), np.float32)
        self.tags = np.zeros(self.size, np.uint16)
        self.alpha = np.zeros(self.size, np.float32) if overlay else None

    @property
    def atr(self) -> np.ndarray:
        return (self.tags & 31).astype(np.uint8)

    @property
    def lip(self) -> np.ndarray:
        return (self.tags >> 5 & 31).astype(np.uint8)

    def part(self, box: Box | None = None) -> np.ndarray:
        """The callers' numbers, [H, W] or those of `box`, uint8."""
        return (self.tags[box.index if box else ...] >> 10).astype(np.uint8)

    def copy(self) -> Canvas:
        other = Canvas(self.camera)
        other.rgb, other.tags = self.rgb.copy(), self.tags.copy()
        return other

    def paint(self, patch: Patch | None, colour, labels: tuple[int, int] | None = None, part: int = 0) -> None:
        """Lay `colour` ([3] or [h, w, 3], 0..255) over the patch. labels: (ATR, LIP); None leaves the tags alone."""
        if patch is None:
            return
        index, alpha = patch.box.index, patch.alpha
        rgb = self.rgb[index]
        rgb += alpha[..., None] * (np.asarray(colour, np.float32) - rgb)
        if self.alpha is not None:
            self.alpha[index] += alpha * (1 - self.alpha[index])
        if labels is not None:
            self.tags[index][alpha >= 0.5] = labels[0] | labels[1] << 5 | part << 10

    def fill(self, outlines, colour, labels=None, opacity: float = 1.0) -> None:
        patch = cover(outlines, self.camera)
        if patch is not None:
            self.paint(Patch(patch.box, patch.alpha * np.float32(opacity)), colour, labels)

    def label(self, patch: Patch, where: np.ndarray, labels: tuple[int, int]) -> None:
        """Set (ATR, LIP) where at least half of a pixel is covered and `where` [h, w] holds."""
        self.tags[patch.box.index][(patch.alpha >= 0.5) & where] = labels[0] | labels[1] << 5

    def darken(self, patch: Patch | None, strength: float, tint=(1.0, 1.0, 0.92)) -> None:
        """Shadow: multiply by 1 - strength * coverage, a little less in blue, as sky light fills shadows."""
        if patch is not None:
            weight = np.float32(strength) * np.asarray(tint, np.float32)
            self.rgb[patch.box.index] *= 1 - patch.alpha[..., None] * weight

    def overlay(self, top: Canvas) -> None:
        """Lay an overlay of the same size on top."""
        self.rgb *= 1 - top.alpha[..., None]
        self.rgb += top.rgb
        np.copyto(self.tags, top.tags, where=top.alpha >= 0.5)

    def harden(self, where: np.ndarray) -> None:
        """Make pixels of an overlay opaque where it covers at least half of them (and `where` holds)."""
        solid = where & (self.alpha >= 0.5)
        self.rgb[solid] /= self.alpha[solid][:, None]
        self.alpha[solid] = 1.0

    def picture(self) -> Image.Image:
        return Image.fromarray(np.clip(np.rint(self.rgb), 0, 255).astype(np.uint8))


def lit(colour, shade: np.ndarray, tint=(1.04, 1.0, 0.92)) -> np.ndarray:
    """`colour` ([3] or [h, w, 3]) under `shade` [h, w] (1 = as it is, lower = in shadow, higher = towards white)."""
    colour, shade = np.asarray(colour, np.float32), shade[..., None].astype(np.float32) - 1
    out = np.minimum(shade, 0) * (colour * np.asarray(tint, np.float32))
    out += colour
    out += np.maximum(shade, 0) * 150
    return out
