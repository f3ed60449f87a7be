"""Painting cloth: fabric laid onto a surface, creased by the pose and shaded as a round body is."""

from __future__ import annotations

import numpy as np

from .canvas import Canvas, Patch, cover, lit
from .fabric import Fabric
from .form import HIP, UNDERARM, WAIST, Form
from .geometry import LIGHT, limb_coordinates
from .person import stream
from .tailoring import Limb, Piece, Torso

_FLAT_CHEST = 18.2  # half-width of cloth across the chest, cm: what u = 1 means on the fabric


class Creases:
    """Where cloth on this body folds: soft ridges from armpits, at the waist and down the skirt, fixed by pose and key.

    torso: rows of (x0, y0, x1, y1, width, depth), cm of the torso's frame; bends: how far each limb is bent, 0..1.
    """

    def __init__(self, key, form: Form):
        rng = stream("creases", key)
        calm = 0.45 if form.flat else 1.0
        rows = []
        for i, side in enumerate((-1, 1)):
            shoulder, elbow, _ = form.arms[i]
            lift = float(np.clip(side * (elbow[0] - shoulder[0]) / 30, 0, 1))
            for _ in range(2):
                armpit = side * (form.body.chest - 0.5), UNDERARM - 3 + rng.uniform(-2, 2)
                end = side * rng.uniform(2, 8), rng.uniform(25, 33) - 8 * lift
                rows.append((*armpit, *end, rng.uniform(1.0, 1.8), side * (0.10 + 0.16 * lift) * calm))
        for _ in range(rng.randint(3, 5)):
            x = rng.uniform(-13, 13)
            rows.append((x, rng.uniform(28, 42), x + rng.uniform(-5, 5), rng.uniform(56, 74), rng.uniform(1.2, 2.6),
                         rng.choice((-1, 1)) * rng.uniform(0.10, 0.2) * calm))  # fmt: skip
        for _ in range(2):
            y, side = WAIST + rng.uniform(-6, 6), rng.choice((-1, 1))
            rows.append(
                (side * 15, y - 2, side * rng.uniform(2, 6), y + rng.uniform(0, 4), rng.uniform(0.8, 1.4), 0.16 * calm)
            )
        self.torso = rows
        self.phase = rng.uniform(0, 6.28)
        self.calm = calm
        self.bends = {}
        for name, limbs in (("arm", form.arms), ("leg", form.legs)):
            for i, side in enumerate((-1, 1)):
                (a, b, c) = limbs[i]
                cos = np.dot(b - a, c - b) / (np.hypot(*(b - a)) * np.hypot(*(c - b)))
                self.bends[name, side] = (
                    float(np.degrees(np.arccos(np.clip(cos, -1, 1))) / 90),
                    float(np.hypot(*(b - a))),
                )

    def on_torso(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Height of the folds' lit side minus their dark side, about -0.1..0.1, [h, w]."""
        total = np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)
        for x0, y0, x1, y1, width, depth in self.torso:
            length = float(np.hypot(x1 - x0, y1 - y0))
            dx, dy = (x1 - x0) / length, (y1 - y0) / length
            t = x * (dx / length) + (y * (dy / length) - (x0 * dx + y0 * dy) / length)
            across = x * (dy / width) + (y * (-dx / width) + (y0 * dx - x0 * dy) / width)
            fade = np.maximum(t * (1 - t), 0)
            total += (4 * depth) * fade * across / (1 + across * across) ** 2
        return total

    def on_limb(self, along: np.ndarray, across: np.ndarray, limb: Limb) -> np.ndarray:
        bend, joint = self.bends["leg" if limb.leg else "arm", limb.side]
        near = along - np.float32(joint)
        wide = 7.0 if limb.leg else 5.0
        crease = (
            np.exp(-((near / wide) ** 2))
            * np.sin(near * 1.3 + across * 1.6 + self.phase)
            * (0.025 + 0.07 * min(bend, 1.2))
        )
        drag = np.sin(along * 0.28 + across * 2.6 + self.phase) * 0.028
        return ((crease + drag) * self.calm).astype(np.float32)


def _on_torso(surface: Torso, form: Form, creases: Creases, x, y):
    """Cloth coordinates and shade of pixels of a torso piece."""
    tx, ty = form.torso(x, y)
    left = np.interp(ty, surface.y, surface.left).astype(np.float32)
    right = np.interp(ty, surface.y, surface.right).astype(np.float32)
    u = np.clip(tx / np.where(tx < 0, left, right), -1.1, 1.1)
    fold = creases.on_torso(tx, ty)
    light = np.float32(0.5 if form.flat else 1.0)
    shade = 1.01 - light * (0.20 * u**4 + 0.05 * u * u - u * np.float32(LIGHT[0] * 0.12)) + fold
    if not form.flat:
        shade -= 0.05 * np.exp(-(((ty - WAIST) / 7) ** 2)) * np.abs(u)
        if form.body.bust > 0:
            shade += _bust(form, tx, ty)
    if surface.pleats:
        amount = np.clip((ty - WAIST - 3) / 14, 0, 1) * 0.11
        wave = np.sin(u * np.float32(surface.pleats * 2.2) + 0.6)
        shade += amount * wave * np.float32(0.6 + 0.4 * light)
    low = np.clip((ty - HIP) / 30, 0, 1)  # skirts are wider cloth
    wide = _FLAT_CHEST + low * np.maximum(0.47 * (left + right) - _FLAT_CHEST, 0)
    bulge = 0.0 if form.flat else 0.09
    cloth_x = wide * u * (1 + np.float32(bulge) * (u * u - 0.5)) + 4.0 * fold
    cloth_y = ty - (0 if form.flat else 1.4) * (1 - u * u) + 5.0 * fold
    return cloth_x, cloth_y, shade


def _bust(form: Form, x, y) -> np.ndarray:
    b = form.body
    total = 0.0
    for side in (-1, 1):
        dx, dy = (x - side * 0.47 * b.chest) / (0.42 * b.chest), (y - 20.0) / 6.0
        near = np.exp(-(dx * dx + dy * dy))
        total = total + near * (-0.12 * dy - 0.05 * dx) * np.float32(min(b.bust, 1.0))
    return total


def _on_limb(surface: Limb, form: Form, creases: Creases, x, y):
    along, across, facing = limb_coordinates(x, y, surface.joints, surface.radii)
    fold = creases.on_limb(along, across, surface)
    light = np.float32(0.5 if form.flat else 1.0)
    shade = 1.0 - light * (0.15 * across**4 + 0.07 * across * across - 0.13 * facing) + fold
    joint = form.legs if surface.leg else form.arms
    i = 0 if surface.side < 0 else 1
    start = joint[i][0]
    width = np.float32(surface.radii[0])
    cloth_x = np.float32(start[0]) - across * width * (1 + np.float32(0.06) * across * across) + 3 * fold
    cloth_y = along + np.float32(HIP + 4 if surface.leg else 5.0) + 4 * fold
    if surface.leg:  # trousers are one cloth: the leg's coordinates grow out of the hips'
        near_x, near_y, near_shade = _on_torso(surface.torso, form, creases, x, y)
        far = _ease((along + 5) / 16)
        cloth_x, cloth_y = near_x + (cloth_x - near_x) * far, near_y + (cloth_y - near_y) * far
    else:  # a sleeve is set in with a seam, and only the light runs on
        near_shade = 1.0 + light * np.clip(x * np.float32(LIGHT[0] * 0.10 / form.body.shoulder), -0.1, 0.1) - 0.02
        far = _ease((along + 2) / 9)
    return cloth_x, cloth_y, near_shade + (shade - near_shade) * far


def _ease(t: np.ndarray) -> np.ndarray:
    t = np.clip(t, 0, 1)
    return t * t * (3 - 2 * t)


def paint_piece(
    canvas: Canvas,
    piece: Piece,
    fabric: Fabric,
    form: Form,
    creases: Creases,
    labels: tuple[int, int] | None,
    part: int,
    allowed: np.ndarray | None = None,
    undershirt=(240, 240, 240),
) -> Patch | None:
    """Paint one piece where `allowed` [H, W] lets it; returns what was painted."""
    patch = cover(piece.outlines, canvas.camera)
    if patch is None:
        return None
    if allowed is not None:
        patch = patch.within(allowed)
    if piece.role in ("seam", "trim", "button"):  # sewn onto the cloth: nowhere else
        patch = Patch(patch.box, patch.alpha * (canvas.part(patch.box) == part))
    pale = sum(fabric.first) < 210
    if piece.role == "seam":
        if pale:
            canvas.paint(Patch(patch.box, patch.alpha * np.float32(0.22)), (150, 150, 158))
        else:
            canvas.darken(patch, 0.30)
        return patch
    if piece.role == "button":
        tone = np.asarray(fabric.second if fabric.name != "plain" else (245, 243, 238), np.float32)
        canvas.paint(patch, tone if abs(tone - fabric.first).sum() > 90 else tone * 0.55)
        return patch
    x, y = canvas.camera.grid(patch.box)
    on = _on_torso if isinstance(piece.surface, Torso) else _on_limb
    cloth_x, cloth_y, shade = on(piece.surface, form, creases, x, y)
    if piece.role == "cloth":
        colour = fabric.colour(cloth_x, cloth_y, 1.0 / canvas.camera.scale, piece.chest)
    else:
        colour = {"trim": fabric.second, "inside": np.asarray(fabric.first) * 0.72, "under": undershirt}[piece.role]
    canvas.paint(patch, lit(colour, shade), labels, part)
    return patch
