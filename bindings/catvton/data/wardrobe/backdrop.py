"""Wall, floor and the person's soft shadow on them."""

from __future__ import annotations

import numpy as np

from . import labels as L
from .bare import torso_outline
from .canvas import Canvas, Patch, cover, lit, soften
from .form import Form
from .geometry import Box, ellipse, limb
from .person import Person


def paint_backdrop(canvas: Canvas, person: Person, form: Form) -> None:
    """Fill `canvas`. The shadow is the bare body's: no garment may change it."""
    scene, camera = person.backdrop, canvas.camera
    h, w = canvas.size
    y = np.linspace(0, 1, h, dtype=np.float32)[:, None]
    x = np.linspace(0, 1, w, dtype=np.float32)[None, :]
    wall, second = np.asarray(scene.wall, np.float32), np.asarray(scene.second, np.float32)
    shade = 1.0 - 0.16 * ((x - 0.38) ** 2 + 0.6 * (y - 0.35) ** 2)
    colour = lit(wall, shade)
    feet = max(float(leg[2][1]) for leg in form.legs) * camera.scale + camera.y
    floor = (feet - 6 * camera.scale) / h if person.framing == "full" else 2.0
    if scene.kind == "gradient":
        colour = colour + (second - wall) * (y**1.5 * 0.8)[..., None]
    elif scene.kind == "panel":
        left, wide = scene.place * 0.6 - 0.05, 0.42
        edge = np.clip((0.5 * wide - np.abs(x - left - 0.5 * wide)) * w, 0, 1) * np.clip((y - 0.06) * h, 0, 1)
        colour = colour + (second - wall) * (edge * 0.55)[..., None]
    elif scene.kind == "room":
        line = min(floor, 1.0) if floor < 1 else scene.horizon
        on_floor = np.clip((y - line) * h, 0, 1) + 0 * x
        colour = colour + (second * 0.9 - colour) * on_floor[..., None]
        skirting = np.clip(1 - np.abs(y - line + 0.012) * h / max(1.0, 0.011 * h), 0, 1) + 0 * x
        colour = colour + (np.minimum(wall * 1.08 + 8, 255) - colour) * (0.8 * skirting)[..., None]
    if floor < 1 and scene.kind != "room":  # an endless studio floor
        colour = colour * (1 - 0.09 * np.clip((y - floor) * 6, 0, 1))[..., None]
    canvas.paint(Patch(Box(0, 0, w, h), np.ones((h, w), np.float32)), np.broadcast_to(colour, (h, w, 3)), L.BACKGROUND)
    s = camera.scale
    body = cover(
        [torso_outline(form), *limb(form.legs[0], form.leg_radii), *limb(form.legs[1], form.leg_radii)], camera
    )
    if body is not None:
        canvas.darken(soften(body, 5 * s, canvas.size, (5 * s, 3 * s)), 0.16)
    if floor < 1:
        ground = cover(
            [ellipse((0.5 * (form.legs[0][2][0] + form.legs[1][2][0]), form.legs[0][2][1] + 9), 26, 4.0)], camera
        )
        if ground is not None:
            canvas.darken(soften(ground, 2.5 * s, canvas.size), 0.34)
