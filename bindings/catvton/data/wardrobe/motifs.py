"""Drawn textures in cm: letters and little motifs as coverage pyramids, sampled at any scale."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from .geometry import ellipse, smooth, turned

MOTIFS = ("flower", "star", "heart", "leaf", "triangle", "ring", "sun", "peaks", "wave")
_SIZE = 256


def _star(points: int, inner: float) -> np.ndarray:
    radius = np.where(np.arange(2 * points) % 2 == 0, 1.0, inner)
    angle = np.arange(2 * points) * np.pi / points - np.pi / 2
    return np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def _outlines(motif: str) -> list[tuple[np.ndarray, int]]:
    """(outline in [-1, 1], grey) in the order of drawing."""
    if motif == "flower":
        petals = [ellipse(turned([(0, -0.58)], 72 * i)[0], 0.34, 0.4, 72 * i) for i in range(5)]
        return [(p, 255) for p in petals] + [(ellipse((0, 0), 0.22, 0.22), 0)]
    if motif == "star":
        return [(_star(5, 0.42), 255)]
    if motif == "heart":
        return [
            (
                smooth(
                    [(0, -0.5), (0, -0.5), (0.5, -0.9), (0.95, -0.35), (0, 0.9), (0, 0.9), (-0.95, -0.35), (-0.5, -0.9)]
                ),
                255,
            )
        ]
    if motif == "leaf":
        blade = smooth([(0, -1), (0, -1), (0.5, -0.2), (0, 0.8), (0, 0.8), (-0.5, -0.2)])
        return [(blade, 255), (np.array([(-0.04, -0.7), (0.04, -0.7), (0.05, 1), (-0.05, 1)]), 0)]
    if motif == "triangle":
        return [
            (np.array([(0, -0.9), (0.9, 0.7), (-0.9, 0.7)]), 255),
            (np.array([(0, -0.3), (0.4, 0.42), (-0.4, 0.42)]), 0),
        ]
    if motif == "ring":
        return [(ellipse((0, 0), 0.95, 0.95), 255), (ellipse((0, 0), 0.6, 0.6), 0)]
    if motif == "sun":
        return [(_star(12, 0.62), 255), (ellipse((0, 0), 0.56, 0.56), 0), (ellipse((0, 0), 0.44, 0.44), 255)]
    if motif == "peaks":
        return [
            (ellipse((0.38, -0.42), 0.24, 0.24), 255),
            (np.array([(-1, 0.7), (-0.35, -0.5), (0.05, 0.2), (0.35, -0.15), (1, 0.7)]), 255),
            (np.array([(-0.5, -0.22), (-0.35, -0.5), (-0.2, -0.22), (-0.35, -0.1)]), 0),
        ]
    if motif == "wave":
        x = np.linspace(-1, 1, 40)
        rows = []
        for y in (-0.5, 0.0, 0.5):
            line = y + 0.18 * np.sin(x * 2 * np.pi)
            rows.append((np.concatenate([np.stack([x, line - 0.12], 1), np.stack([x, line + 0.12], 1)[::-1]]), 255))
        return rows
    raise ValueError(f"motif {motif!r}: expected one of {', '.join(MOTIFS)}")


def _pyramid(image: Image.Image) -> tuple[np.ndarray, ...]:
    levels = []
    while min(image.size) >= 4:
        levels.append(np.asarray(image, np.float32) / 255)
        image = image.reduce(2)
    return tuple(levels)


@lru_cache(maxsize=64)
def motif_texture(motif: str) -> tuple[np.ndarray, ...]:
    """Levels of a square coverage texture, each half the size of the one before."""
    image = Image.new("L", (_SIZE * 2, _SIZE * 2))
    pen = ImageDraw.Draw(image)
    for outline, grey in _outlines(motif):
        pen.polygon((outline * _SIZE * 0.92 + _SIZE).ravel().tolist(), fill=grey)
    return _pyramid(image.reduce(2))


@lru_cache(maxsize=64)
def text_texture(text: str) -> tuple[np.ndarray, ...]:
    """`text` filling a square texture's width (or height), in Pillow's embedded font: no system font matters."""
    probe = ImageFont.load_default(size=100)
    left, top, right, bottom = probe.getbbox(text, stroke_width=4)
    size = 100 * min(_SIZE * 0.94 / (right - left), _SIZE * 0.8 / (bottom - top))
    image = Image.new("L", (_SIZE, _SIZE))
    font = ImageFont.load_default(size=size)
    ImageDraw.Draw(image).text(
        (_SIZE / 2, _SIZE / 2), text, fill=255, font=font, anchor="mm", stroke_width=round(size * 0.04)
    )
    return _pyramid(image)


def sample(texture: tuple[np.ndarray, ...], u: np.ndarray, v: np.ndarray, pixels: float) -> np.ndarray:
    """Bilinear coverage at (u, v), 0 outside [0, 1]; `pixels`: how many of the picture's the texture spans."""
    level = int(np.clip(np.floor(np.log2(texture[0].shape[0] / max(pixels, 1.0))), 0, len(texture) - 1))
    data = texture[level]
    n = data.shape[0]
    x, y = u * n - 0.5, v * n - 0.5
    x0, y0 = np.floor(x), np.floor(y)
    fx, fy = x - x0, y - y0
    x0, y0 = x0.astype(np.int32), y0.astype(np.int32)
    left, right, above, below = (np.clip(i, 0, n - 1) for i in (x0, x0 + 1, y0, y0 + 1))
    top = data[above, left] * (1 - fx) + data[above, right] * fx
    bottom = data[below, left] * (1 - fx) + data[below, right] * fx
    return (top * (1 - fy) + bottom * fy) * ((u >= 0) & (u <= 1) & (v >= 0) & (v <= 1))
