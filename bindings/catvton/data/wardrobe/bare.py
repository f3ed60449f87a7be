"""The bare body under the clothes: legs, torso, neck and arms."""

from __future__ import annotations

import numpy as np

from . import labels as L
from .canvas import Canvas, Patch, cover, lit, soften
from .form import HIP, SIDES, UNDERARM, WAIST, Form
from .geometry import LIGHT, limb, limb_coordinates, mirrored, smooth
from .hands import SKIN_TINT, paint_shoe
from .head import Head, paint_back_hair
from .person import Person

COLLAR = -3.4  # height on the neck that collars reach, cm; the neck above belongs to the face


def paint_body(canvas: Canvas, person: Person, form: Form, head: Head) -> None:
    """Everything bare behind the clothes, with the hair behind the shoulders; the arms come later, above the torso."""
    paint_back_hair(canvas, head)
    for i, side in enumerate(SIDES):
        joints, radii = fleshed(form.legs[i], form.leg_radii, 0.99)
        _paint_limb(canvas, joints, radii, person.looks.skin, L.LEG[side])
        paint_shoe(canvas, person, form, i)
    _paint_trunk(canvas, person, form, torso_outline(form))
    neck = _paint_trunk(canvas, person, form, neck_outline(form, head), face_above=COLLAR)
    chin = cover([head.oval()], canvas.camera)
    if neck is not None and chin is not None:
        scale = canvas.camera.scale
        shadow = soften(chin, 1.6 * scale, canvas.size, (0.6 * scale, 3.2 * scale))
        inside = np.zeros(canvas.size, np.float32)
        inside[neck.box.index] = neck.alpha
        canvas.darken(Patch(shadow.box, shadow.alpha * inside[shadow.box.index]), 0.30, (0.85, 1, 1))


def paint_arm(canvas: Canvas, person: Person, form: Form, i: int) -> None:
    joints, radii = fleshed(form.arms[i], form.arm_radii, 1.02)
    _paint_limb(canvas, joints, radii, person.looks.skin, L.ARM[SIDES[i]])


def _paint_trunk(canvas: Canvas, person: Person, form: Form, outline, face_above: float = -np.inf) -> Patch | None:
    """Skin with collar bones; labelled as the arm of its side, above the height `face_above` as face."""
    patch = cover([outline], canvas.camera)
    if patch is None:
        return None
    x, y = form.torso(*canvas.camera.grid(patch.box))
    u = np.clip(x / np.interp(y, [-20, -4, 0, 18], [6.5, 7.5, 17, 19]).astype(np.float32), -1.2, 1.2)
    middle = np.clip((np.abs(x) - 1.2) / 3, 0, 1) * (np.abs(x) < 12)
    bones = np.exp(-(((y - 1.2 - 0.10 * np.abs(x)) / 0.7) ** 2)) * middle
    shade = 0.99 - 0.12 * u**4 + u * np.float32(LIGHT[0] * 0.07) - 0.05 * bones
    canvas.paint(patch, lit(person.looks.skin, shade, SKIN_TINT))
    for labels, where in ((L.ARM[-1], x < 0), (L.ARM[1], x >= 0), (L.FACE, y <= face_above)):
        canvas.label(patch, where, labels)
    return patch


def _paint_limb(canvas: Canvas, joints, radii, colour, labels) -> None:
    patch = cover(limb(joints, radii), canvas.camera)
    if patch is None:
        return
    _, across, facing = limb_coordinates(*canvas.camera.grid(patch.box), joints, radii)
    shade = 1.0 - 0.13 * across**4 - 0.05 * across * across + 0.08 * facing
    canvas.paint(patch, lit(colour, shade, SKIN_TINT), labels)


def fleshed(joints: np.ndarray, radii: np.ndarray, swell: float) -> tuple[np.ndarray, np.ndarray]:
    """A limb with a muscle's swelling below each joint."""
    (a, b, c), (ra, rb, rc) = joints, radii
    points = np.stack([a, a + 0.45 * (b - a), b, b + 0.3 * (c - b), c])
    return points, np.array([ra, (0.52 * ra + 0.48 * rb) * swell, rb, rb * swell, rc])


def torso_outline(form: Form) -> np.ndarray:
    b = form.body
    right = [(0, -3.0), (b.neck - 1.4, -3.1), (b.neck + 0.8, -2.2), (b.neck + 3.4, -0.8),
             (b.shoulder - 2.0, 2.6), (b.shoulder - 0.4, 6.5), (b.chest, UNDERARM),
             (b.waist, WAIST), (b.hip, HIP), (b.hip * 0.97, 62.0), (0, 69.0)]  # fmt: skip
    return form.place(smooth(mirrored(right)))


def neck_outline(form: Form, head: Head) -> np.ndarray:
    n = form.body.neck
    jaw = head.at([(-0.66, 0.5), (0.66, 0.5)])
    low = form.place([(n, -3.0), (0.8 * n, 1.0), (0, 2.6), (-0.8 * n, 1.0), (-n, -3.0)])
    return smooth([jaw[0], jaw[0], jaw[1], jaw[1], *low])
