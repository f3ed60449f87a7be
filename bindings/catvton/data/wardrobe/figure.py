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
from .backdrop import paint_backdrop
from .bare import COLLAR, neck_outline, paint_body, torso_outline
from .canvas import Canvas, cover
from .form import HIP, SIDES, UNDERARM, WAIST, form_of
from .geometry import Camera, limb, mirrored, smooth
from .hands import hand_outlines, paint_hand, shoe_outline
from .head import Head, paint_head
from .person import Person

_SEEN = {"upper": (118.0, 3.0), "full": (213.0, 9.0)}  # framing: cm of body seen from top to bottom, cm above the hair
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
        paint_backdrop(self.base, person, self.form)
        paint_body(self.base, person, self.form, self.head)
        self.over = Canvas(self.camera, overlay=True)
        for i in range(2):
            paint_hand(self.over, person, self.form, i)
        self._hands = self.over.alpha >= 0.5
        paint_head(self.over, self.head)
        self.allowed = self._masks()
        self.over.harden(self.allowed_anywhere)

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
