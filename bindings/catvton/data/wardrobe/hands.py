"""Hands, painted above the clothes, and shoes."""

from __future__ import annotations

import numpy as np

from . import labels as L
from .canvas import Canvas, cover, lit
from .form import SIDES, Form
from .geometry import limb, smooth, smooth_line, stroke
from .person import Person

SKIN_TINT = (0.85, 1.05, 1.12)  # skin reddens in shadow


def hand_outlines(form: Form, i: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Palm and fingers of one hand, and the thin gaps between the fingers."""
    side, bulk = SIDES[i], form.body.bulk**0.5
    wrist, along = form.arms[i][2], form.reach[i]
    inward = np.array([along[1], -along[0]]) * -side  # towards the thumb: the body's side of a hanging arm

    def at(a, b):
        return wrist + bulk * (a * along + b * inward)

    shapes = limb([at(-0.6, 0), at(3.0, 0.1), at(7.2, 0.0)], np.array([2.5, 3.3, 3.4]) * bulk)
    shapes += limb([at(1.5, 2.0), at(5.0, 4.0), at(8.2, 4.2)], np.array([1.3, 1.15, 0.9]) * bulk)
    gaps = []
    for k, (offset, length) in enumerate(((2.55, 14.4), (0.9, 15.8), (-0.8, 15.2), (-2.4, 13.2))):
        shapes += limb([at(7.0, offset * 0.95), at(length, offset * 1.12)], np.array([1.0, 0.78]) * bulk)
        if k:
            middle = offset + 0.83
            gaps += stroke([at(8.2, middle * 0.97), at(13.0, middle * 1.1)], 0.16)
    return shapes, gaps


def paint_hand(canvas: Canvas, person: Person, form: Form, i: int) -> None:
    skin = np.asarray(person.looks.skin, np.float32)
    shapes, gaps = hand_outlines(form, i)
    patch = cover(shapes, canvas.camera)
    if patch is None:
        return
    x, y = canvas.camera.grid(patch.box)
    wrist, along = form.arms[i][2], form.reach[i]
    t = (x - wrist[0]) * along[0] + (y - wrist[1]) * along[1]
    across = (y - wrist[1]) * along[0] - (x - wrist[0]) * along[1]
    shade = (0.99 - 0.006 * np.clip(t - 6, 0, 12) - 0.006 * across * across * 0.6).astype(np.float32)
    canvas.paint(patch, lit(skin, shade, SKIN_TINT), L.ARM[SIDES[i]])
    canvas.fill(gaps, skin * (0.72, 0.62, 0.58), opacity=0.55)


def shoe_outline(form: Form, i: int) -> np.ndarray:
    side, (x, y) = SIDES[i], form.legs[i][2]
    shape = [
        (-3.3, 1.0),
        (0.4, 2.2),
        (3.4, 1.0),
        (4.6, 3.4),
        (7.2, 6.6),
        (7.4, 9.4),
        (2.4, 10.4),
        (-3.0, 9.6),
        (-4.0, 6.4),
        (-3.8, 3.0),
    ]
    return smooth([(x + side * px, y + py) for px, py in shape])


def paint_shoe(canvas: Canvas, person: Person, form: Form, i: int) -> None:
    tone = np.asarray(person.looks.shoes, np.float32)
    outline = shoe_outline(form, i)
    patch = cover([outline], canvas.camera)
    if patch is None:
        return
    x, y = canvas.camera.grid(patch.box)
    ax, ay = form.legs[i][2]
    shade = (1.02 - 0.01 * np.abs(x - ax) ** 1.5 * 0.4 - 0.012 * np.clip(4 - (y - ay), 0, 9)).astype(np.float32)
    canvas.paint(patch, lit(tone, shade), L.SHOE[SIDES[i]])
    sole = [(ax + SIDES[i] * px, ay + py) for px, py in ((-3.3, 9.0), (2.2, 9.8), (7.0, 8.8))]
    canvas.fill(
        stroke(smooth_line(sole), 0.7), (238, 236, 230) if tone.sum() < 560 else (150, 146, 140), L.SHOE[SIDES[i]]
    )
