"""The garment's own picture: laid flat on white, cut from the same cloth as the worn one."""

from __future__ import annotations

import numpy as np
from PIL import Image

from . import labels as L
from .canvas import Canvas, Patch
from .cloth import Creases, paint_piece
from .figure import check_size
from .form import SIDES, laid_flat
from .garment import Garment
from .geometry import Box, Camera
from .tailoring import tailor


def draw_flat(garment: Garment, size: tuple[int, int]) -> tuple[Image.Image, Image.Image]:
    """(picture RGB on white, mask L) of `size` (height, width); the garment fills most of it, corners stay white."""
    height, width = check_size(size)
    form = laid_flat(garment.cut.sleeve if garment.category != "lower" else 0.0)
    pattern = tailor(garment, form)
    pieces = [*(p for side in SIDES for p in pattern.arms.get(side, [])), *pattern.body]
    points = np.concatenate([o for piece in pieces for o in piece.outlines])
    low, high = points.min(0), points.max(0)
    room = 0.88
    scale = min(room * height / (high[1] - low[1]), room * width / (high[0] - low[0]), height / 78.0)
    middle = (low + high) / 2
    canvas = Canvas(Camera(scale, width / 2 - middle[0] * scale, height / 2 - middle[1] * scale, height, width))
    everything = Patch(Box(0, 0, width, height), np.ones((height, width), np.float32))
    canvas.paint(everything, (255, 255, 255))
    whole = np.zeros((height, width), np.float32)
    creases = Creases(f"flat/{garment.seed}", form)
    for piece in pieces:
        patch = paint_piece(canvas, piece, garment.fabric, form, creases, L.BACKGROUND, part=1)
        if patch is not None and piece.role == "cloth":
            if garment.category == "lower":  # one cloth: the rim goes round all of it
                whole[patch.box.index] = np.maximum(whole[patch.box.index], patch.alpha)
            else:
                _rim(canvas, patch)
    if garment.category == "lower":
        _rim(canvas, Patch(everything.box, whole))
    mask = Image.fromarray((canvas.part() > 0).astype(np.uint8) * 255)
    return canvas.picture(), mask


def _rim(canvas: Canvas, patch: Patch) -> None:
    """A thin darker rim, so that white cloth stands out from the white page."""
    a = np.pad(patch.alpha, 1)
    inner = np.minimum.reduce([a[:-2, 1:-1], a[2:, 1:-1], a[1:-1, :-2], a[1:-1, 2:], patch.alpha])
    canvas.darken(Patch(patch.box, patch.alpha - inner), 0.22)
