"""A person at a picture size: everything that no garment changes, and the agnostic masks that follow from it alone.

The truth of try-on rests on this split. The backdrop, the bare body, head, hands and shoes are functions of the person;
an agnostic mask is a function of the person and a category; a garment is only ever painted inside its category's mask.
So two pictures of one person in two garments of a category are equal, byte for byte, outside that mask.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
from PIL import Image

from . import labels as L
from .canvas import Canvas, Patch, cover, lit, soften
from .form import CROTCH, HIP, SIDES, UNDERARM, WAIST, Form, form_of
from .geometry import LIGHT, Box, Camera, ellipse, limb, limb_coordinates, mirrored, smooth
from .head import Head, hand_outlines, paint_back_hair, paint_hand, paint_head, paint_shoe, shoe_outline
from .person import Person

_SKIN_TINT = (0.85, 1.05, 1.12)
_SEEN = {"upper": (118.0, 3.0), "full": (204.0, 8.0)}  # framing: cm of body seen from top to bottom, cm above the hair
COLLAR = -3.4  # cm above the collar bones to which collars reach; the neck above belongs to the face
MIN_SIZE = 32


def camera_for(person: Person, size: tuple[int, int]) -> Camera:
    height, width = check_size(size)
    seen, above = _SEEN[person.framing]
    seen /= person.zoom
    scale = min(height / seen, width / (seen * 0.72))
    top = -6.4 - 2 * person.body.head - 3.0 - above
    dx, dy = person.offset
    return Camera(scale, width / 2 + dx * scale, (dy - top) * scale, height, width)


def check_size(size) -> tuple[int, int]:
    """(height, width) as ints, or a ValueError that says what is wrong with it."""
    try:
        height, width = (int(v) for v in size)
    except (TypeError, ValueError):
        raise ValueError(f"size {size!r}: expected (height, width) in pixels") from None
    if min(height, width) < MIN_SIZE or max(height, width) > 4096:
        raise ValueError(f"size {height}x{width}: height and width must be between {MIN_SIZE} and 4096 pixels")
    return height, width


class Figure:
    """base: backdrop and bare body, without arms. over: head, hair, hands. allowed: category -> mask [H, W], bool."""

    def __init__(self, person: Person, size: tuple[int, int]):
        self.person = person
        self.camera = camera_for(person, size)
        self.form = form_of(person)
        self.head = Head(person, self.form)
        self.base = Canvas(self.camera)
        _paint_backdrop(self.base, person, self.form)
        self._paint_body()
        self.over = Canvas(self.camera)
        for i in range(2):
            paint_hand(self.over, person, self.form, i)
        hands = self.over.alpha >= 0.5
        paint_head(self.over, self.head)
        self._hands = hands
        self.allowed = self._masks()
        self.over.harden(self.allowed_anywhere)

    # -------------------------------------------------------------------------------------------- painting

    def _paint_body(self) -> None:
        canvas, form, person = self.base, self.form, self.person
        skin = np.asarray(person.looks.skin, np.float32)
        paint_back_hair(canvas, self.head)
        for i, side in enumerate(SIDES):
            joints, radii = fleshed(form.legs[i], form.leg_radii, 0.99)
            paint_limb(canvas, joints, radii, skin, L.LEG[side])
            paint_shoe(canvas, person, form, i)
        torso, neck = torso_outline(form), neck_outline(form, self.head)
        self._paint_skin([torso], None)
        for side in SIDES:  # bare chest: the arm of its side
            patch = cover([torso], self.camera)
            if patch is not None:
                x, y = self.form.torso(*self.camera.grid(patch.box))
                self._label(patch.solid((x * side > 0) & (y < CROTCH)), L.ARM[side])
        self._paint_skin([neck], None)
        patch = cover([neck], self.camera)
        if patch is not None:
            x, y = self.form.torso(*self.camera.grid(patch.box))
            self._label(patch.solid(y <= COLLAR), L.FACE)
            for side in SIDES:
                self._label(patch.solid((y > COLLAR) & (x * side >= 0)), L.ARM[side])
            chin = cover([self.head.oval()], self.camera)
            if chin is not None:
                scale = self.camera.scale
                shadow = soften(chin, 1.6 * scale, canvas.size, (0.6 * scale, 3.2 * scale))
                inside = np.zeros(canvas.size, np.float32)
                inside[patch.box.index] = patch.alpha
                canvas.darken(Patch(shadow.box, shadow.alpha * inside[shadow.box.index]), 0.30, (0.85, 1, 1))

    def _paint_skin(self, outlines, labels) -> None:
        patch = cover(outlines, self.camera)
        if patch is None:
            return
        x, y = self.form.torso(*self.camera.grid(patch.box))
        u = np.clip(x / np.interp(y, [-20, -4, 0, 18], [6.5, 7.5, 17, 19]).astype(np.float32), -1.2, 1.2)
        shade = 0.99 - 0.12 * u**4 + u * np.float32(LIGHT[0] * 0.07)
        bones = (
            np.exp(-(((y - 1.2 - 0.10 * np.abs(x)) / 0.7) ** 2))
            * np.clip((np.abs(x) - 1.2) / 3, 0, 1)
            * (np.abs(x) < 12)
        )
        self.base.paint(
            patch,
            lit(np.asarray(self.person.looks.skin, np.float32), (shade - 0.05 * bones).astype(np.float32), _SKIN_TINT),
            labels,
        )

    def _label(self, solid_patch, labels) -> None:
        index, solid = solid_patch
        self.base.atr[index][solid], self.base.lip[index][solid] = labels

    def paint_arm(self, canvas: Canvas, i: int) -> None:
        joints, radii = fleshed(self.form.arms[i], self.form.arm_radii, 1.02)
        paint_limb(canvas, joints, radii, np.asarray(self.person.looks.skin, np.float32), L.ARM[SIDES[i]])

    # -------------------------------------------------------------------------------------------- maps

    @cached_property
    def densepose(self) -> np.ndarray:
        """DensePose's parts, [H, W] uint8: of the bare body, whatever is worn."""
        form, out = self.form, np.zeros((self.camera.height, self.camera.width), np.uint8)

        def put(outlines, part, where=None):
            patch = cover(outlines, self.camera)
            if patch is not None:
                solid = patch.alpha >= 0.5
                if where is not None:
                    solid = solid & where(*self.camera.grid(patch.box))
                out[patch.box.index][solid] = part

        for i, side in enumerate(SIDES):
            (hip, knee, ankle), (a, b, c) = form.legs[i], form.leg_radii
            put([shoe_outline(form, i)], L.DENSE_FOOT[side])
            put(limb([knee, ankle], [b, c]), L.DENSE_LEG[side])
            put(limb([hip, knee], [a, b]), L.DENSE_THIGH[side])
        put([torso_outline(form)], L.DENSE_TORSO)
        for i, side in enumerate(SIDES):
            (shoulder, elbow, wrist), (a, b, c) = form.arms[i], form.arm_radii
            put(limb([shoulder, elbow], [a, b]), L.DENSE_UPPER_ARM[side])
            put(limb([elbow, wrist], [b, c]), L.DENSE_FOREARM[side])
        for side in SIDES:
            put([neck_outline(form, self.head)], L.DENSE_FACE[side], lambda x, y, s=side: (x * s >= 0) & (y < COLLAR))
        for i, side in enumerate(SIDES):
            patch = cover(hand_outlines(form, i)[0], self.camera)
            if patch is not None:
                out[patch.box.index][(patch.alpha >= 0.5) & self._hands[patch.box.index]] = L.DENSE_HAND[side]
        middle = self.head.at([(0.1 * self.person.pose.turn, 0)])[0][0]
        for side in SIDES:
            put([self.head.oval()], L.DENSE_FACE[side], lambda x, y, s=side: (x - middle) * s + 0 * y >= 0)
        return out

    def _masks(self) -> dict[str, np.ndarray]:
        form, b = self.form, self.form.body
        arms = []
        for i in range(2):
            radii = form.arm_radii + np.array([3.4, 3.6, 3.2])
            end = form.arms[i][2] + 1.5 * form.reach[i]
            arms += limb(np.concatenate([form.arms[i][:2], [end]]), radii)
        trunk = [(0, -4.6), (b.neck + 3, -4.6), (b.shoulder + 2.5, 1.0), (b.shoulder + 3.4, 6),
                 (b.chest + 5.5, UNDERARM), (b.waist + 8.0, WAIST), (b.hip + 5.5, HIP),
                 (b.hip + 6.0, 70.0), (0, 71.0)]  # fmt: skip
        upper = [form.place(smooth(mirrored(trunk))), *arms]
        lower = self._lower()
        protect = self.over.alpha >= 0.5
        neck = self._solid([neck_outline(form, self.head)], lambda x, y: form.torso(x, y)[1] <= COLLAR)
        protect |= neck

        def mask(outlines):
            patch, out = cover(outlines, self.camera), np.zeros(protect.shape, bool)
            if patch is not None:
                out[patch.box.index] = patch.alpha > 0
            return out

        masks = {"upper": mask(upper), "lower": mask(lower)}
        masks["overall"] = masks["upper"] | masks["lower"]
        self.allowed_anywhere = masks["overall"]
        return {name: m & ~protect for name, m in masks.items()}

    def _lower(self) -> list[np.ndarray]:
        form, b = self.form, self.form.body
        sides = {}
        for i, side in enumerate(SIDES):
            _, knee, ankle = form.legs[i] * (side, 1)
            far = max(knee[0], b.hip + 2)
            sides[side] = [(b.waist + 4.5, WAIST - 1.0), (b.hip + 5.0, HIP), (far + 12.5, 92.0), (far + 14.0, 122.0),
                           (ankle[0] + 11.0, ankle[1] + 2.5), (ankle[0] - 2.0, ankle[1] + 4.0)]  # fmt: skip
        right, left = sides[1], [(-x, y) for x, y in sides[-1]]
        return [form.place(smooth([(0, WAIST - 1.0), *right, *left[::-1]]))]

    def _solid(self, outlines, where) -> np.ndarray:
        out = np.zeros((self.camera.height, self.camera.width), bool)
        patch = cover(outlines, self.camera)
        if patch is not None:
            out[patch.box.index] = (patch.alpha >= 0.5) & where(*self.camera.grid(patch.box))
        return out

    def agnostic_mask(self, category: str) -> Image.Image:
        if category not in self.allowed:
            raise ValueError(f"category {category!r}: expected one of {', '.join(self.allowed)}")
        return Image.fromarray(self.allowed[category].astype(np.uint8) * 255)


@lru_cache(maxsize=2)
def figure_of(person: Person, size: tuple[int, int]) -> Figure:
    return Figure(person, size)


def fleshed(joints: np.ndarray, radii: np.ndarray, swell: float) -> tuple[np.ndarray, np.ndarray]:
    """A limb with a muscle's swelling below each joint."""
    (a, b, c), (ra, rb, rc) = joints, radii
    points = np.stack([a, a + 0.45 * (b - a), b, b + 0.3 * (c - b), c])
    return points, np.array([ra, (0.52 * ra + 0.48 * rb) * swell, rb, rb * swell, rc])


def torso_outline(form: Form) -> np.ndarray:
    b = form.body
    right = [(0, -4.5), (b.neck - 0.2, -4.6), (b.neck + 0.7, -2.6), (b.neck + 3.6, -0.7),
             (b.shoulder - 2.0, 2.6), (b.shoulder - 0.4, 6.5), (b.chest, UNDERARM),
             (b.waist, WAIST), (b.hip, HIP), (b.hip * 0.97, 62.0), (0, 69.0)]  # fmt: skip
    return form.place(smooth(mirrored(right)))


def neck_outline(form: Form, head: Head) -> np.ndarray:
    n = form.body.neck
    jaw = head.at([(-0.66, 0.5), (0.66, 0.5)])
    low = form.place([(n, -3.0), (0.8 * n, 1.0), (0, 2.6), (-0.8 * n, 1.0), (-n, -3.0)])
    return smooth([jaw[0], jaw[0], jaw[1], jaw[1], *low])


def paint_limb(canvas: Canvas, joints, radii, colour, labels) -> None:
    patch = cover(limb(joints, radii), canvas.camera)
    if patch is None:
        return
    _, across, facing = limb_coordinates(*canvas.camera.grid(patch.box), joints, radii)
    canvas.paint(
        patch, lit(colour, 1.0 - 0.13 * across**4 - 0.05 * across * across + 0.08 * facing, _SKIN_TINT), labels
    )


def _paint_backdrop(canvas: Canvas, person: Person, form: Form) -> None:
    """Wall and floor, and the person's soft shadow on them (from the bare body: no garment may change it)."""
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
