"""A person in an outfit: the picture, its label maps and masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image

from . import labels as L
from .bare import paint_arm
from .canvas import Canvas, Patch, cover, soften
from .cloth import Creases, paint_piece
from .figure import Figure, check_size, figure_of
from .form import SIDES
from .garment import Garment, Outfit
from .geometry import limb
from .person import Person
from .tailoring import tailor

SLOTS = {"lower": 1, "upper": 2, "overall": 3}


@dataclass(frozen=True)
class Scene:
    """image: RGB. atr, lip: [H, W] uint8 label maps (see labels.py). worn: [H, W] uint8, whose cloth shows:
    0 none's, else SLOTS[category]."""

    person: Person
    outfit: Outfit
    image: Image.Image
    atr: np.ndarray
    lip: np.ndarray
    worn: np.ndarray
    figure: Figure

    @property
    def densepose(self) -> np.ndarray:
        """[H, W] uint8: the body's parts, whatever is worn."""
        return self.figure.densepose

    def agnostic_mask(self, category: str) -> Image.Image:
        """L, 255 where a garment of `category` may be painted: from pose and body alone, never over face or hands."""
        return self.figure.agnostic_mask(category)

    def garment_area(self, garment: Garment) -> np.ndarray:
        """[H, W] boolean: where `garment` shows (at least half of the pixel)."""
        if garment not in self.outfit.worn:
            raise ValueError(f"this scene does not wear the {garment.kind} of seed {garment.seed!r}")
        return self.worn == SLOTS[garment.category]


def draw(person: Person, outfit: Outfit, size: tuple[int, int] = (256, 192), clip: bool = True) -> Scene:
    """Draw `person` in `outfit` at `size` (height, width).

    clip=False lets garments cross their agnostic mask: only to measure that cutting them there changes next to nothing.
    """
    figure = figure_of(person, check_size(size))
    canvas, form = figure.base.copy(), figure.form
    creases = Creases(person.seed, form)
    cuts = {g.category: (g, tailor(g, form)) for g in outfit.worn}
    top = "overall" if outfit.dress else "upper"
    order = ["overall"] if outfit.dress else ["upper", "lower"] if outfit.top.cut.tucked else ["lower", "upper"]

    def paint(category: str, pieces) -> Patch | None:
        """Paint the pieces; returns where the first one of cloth came to lie."""
        garment, first = cuts[category][0], None
        for piece in pieces:
            under = piece.role == "under"
            label, part = (L.UNDERSHIRT, 0) if under else (L.GARMENT[garment.kind], SLOTS[category])
            patch = paint_piece(
                canvas, piece, garment.fabric, form, creases, label, part,
                figure.allowed[category] if clip else None, person.looks.undershirt,
            )  # fmt: skip
            if piece.role == "cloth" and first is None:
                first = patch
        return first

    for category in order:
        cloth = paint(category, cuts[category][1].body)
        if category == order[-1] == "upper" and cloth is not None:
            _hem_shadow(canvas, cloth, figure)
    for i, side in enumerate(SIDES):
        _arm_shadow(canvas, figure, i)
        paint_arm(canvas, person, form, i)
        paint(top, cuts[top][1].arms.get(side, []))
    canvas.overlay(figure.over)
    return Scene(person, outfit, canvas.picture(), canvas.atr, canvas.lip, canvas.part(), figure)


def _arm_shadow(canvas: Canvas, figure: Figure, i: int) -> None:
    """An arm's soft shadow on what lies behind it; from the bare arm, so that every garment gets the same."""
    shoulder, elbow, wrist = figure.form.arms[i]
    below = shoulder + 0.4 * (elbow - shoulder)  # the shoulder itself grows out of the torso and throws no shadow on it
    patch = cover(limb([below, elbow, wrist], figure.form.arm_radii + 0.6), figure.camera)
    if patch is None:
        return
    s = figure.camera.scale
    shadow = soften(patch, 1.8 * s, canvas.size, (1.4 * s, 1.2 * s))
    inside = figure.allowed_anywhere[shadow.box.index]
    canvas.darken(Patch(shadow.box, shadow.alpha * inside), 0.20)


def _hem_shadow(canvas: Canvas, patch: Patch, figure: Figure) -> None:
    """The top's shadow on the bottom, inside the top's mask and below the cloth itself."""
    s = figure.camera.scale
    shadow = soften(patch, 1.2 * s, canvas.size, (0.4 * s, 1.4 * s))
    cloth = np.zeros(canvas.size, np.float32)
    cloth[patch.box.index] = patch.alpha
    keep = figure.allowed["upper"][shadow.box.index] * (1 - cloth[shadow.box.index])
    below = canvas.part(shadow.box) == SLOTS["lower"]
    canvas.darken(Patch(shadow.box, shadow.alpha * keep * below), 0.30)
