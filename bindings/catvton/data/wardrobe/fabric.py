"""Fabrics: colour as a function of place on the cloth, in cm, so that a garment looks alike laid flat and worn."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np

from .motifs import MOTIFS, motif_texture, sample, text_texture
from .person import Colour, hsv

FABRICS = ("plain", "stripes", "checks", "dots", "gradient", "print", "letters")
WORDS = (
    "A",
    "B",
    "K",
    "R",
    "S",
    "X",
    "Z",
    "7",
    "8",
    "&",
    "NYC",
    "SUN",
    "OK",
    "HEY",
    "JOY",
    "SEA",
    "YES",
    "POP",
    "42",
    "GO",
)

_NEUTRAL = [
    (246, 244, 238),
    (34, 36, 42),
    (118, 122, 128),
    (196, 192, 184),
    (38, 50, 84),
    (214, 198, 168),
    (94, 74, 58),
]
_DENIM = [(58, 82, 120), (84, 112, 152), (36, 48, 74), (128, 154, 184)]


def cloth_colour(rng: random.Random, muted: bool = False) -> Colour:
    """A third wardrobe classics, else any hue at a wearable saturation; muted: mostly quiet colours."""
    if rng.random() < (0.6 if muted else 0.34):
        base = rng.choice(_NEUTRAL)
        return tuple(min(255.0, max(0.0, c + rng.uniform(-6, 6))) for c in base)
    if muted:
        return hsv(rng.random(), rng.uniform(0.18, 0.55), rng.uniform(0.32, 0.85))
    return hsv(rng.random(), rng.uniform(0.25, 0.74), rng.uniform(0.42, 0.95))


def partner(rng: random.Random, first: Colour) -> Colour:
    """A second colour that goes with the first and stands out from it: white, near-black, or a related hue."""
    light = sum(c * w for c, w in zip(first, (0.3, 0.59, 0.11), strict=True))
    roll = rng.random()
    if roll < 0.35:
        return (247, 245, 240) if light < 150 else (36, 40, 56)
    for _ in range(20):
        other = cloth_colour(rng)
        if sum(abs(a - b) for a, b in zip(first, other, strict=True)) > 190:
            return other
    return (247, 245, 240) if light < 128 else (32, 34, 44)


@dataclass(frozen=True)
class Fabric:
    """`name` of FABRICS; lengths in cm; `denim` gives plain cloth a twill's speckle and pale seams."""

    name: str
    first: Colour
    second: Colour
    third: Colour
    period: float = 6.0
    duty: float = 0.5  # share of the second colour
    angle: float = 0.0  # degrees; stripes: 0 across the body, 90 along it
    phase: float = 0.0  # 0..1 of a period
    motif: str = "star"
    text: str = "A"
    size: float = 18.0  # of a placed print or word
    placed: bool = True  # one print on the chest, or a repeat all over
    denim: bool = False

    @staticmethod
    def sample(seed_or_rng, name: str | None = None, bottom: bool = False) -> Fabric:
        rng = seed_or_rng if isinstance(seed_or_rng, random.Random) else random.Random(f"catvton fabric/{seed_or_rng}")
        weights = (58, 9, 12, 6, 5, 6, 4) if bottom else (22, 18, 13, 11, 9, 14, 13)
        chosen = rng.choices(FABRICS, weights)[0]
        if name is not None and name not in FABRICS:
            raise ValueError(f"fabric {name!r}: expected one of {', '.join(FABRICS)}")
        name = name or chosen
        first = cloth_colour(rng, muted=bottom)
        denim = bottom and name == "plain" and rng.random() < 0.4
        if denim:
            first = rng.choice(_DENIM)
        second = partner(rng, first)
        return Fabric(
            name=name,
            first=first,
            second=second,
            third=partner(rng, second),
            period=rng.uniform(5.0, 13.0) if name != "dots" else rng.uniform(5.0, 10.0),
            duty=rng.uniform(0.3, 0.6),
            angle=rng.choice((0.0, 0.0, 0.0, 90.0, 90.0, 45.0, -45.0)),
            phase=rng.random(),
            motif=rng.choice(MOTIFS),
            text=rng.choice(WORDS),
            size=rng.uniform(15.0, 21.0),
            placed=(rng.random() < 0.55 if name == "print" else rng.random() < 0.85) and not bottom,
            denim=denim,
        )

    def colour(self, x: np.ndarray, y: np.ndarray, pixel: float, chest: bool = False) -> np.ndarray:
        """RGB 0..255 at (x, y) cm of the cloth: float32 [h, w, 3], or [3] where it is all one colour.

        pixel: cm per picture pixel, for soft edges. chest: the piece that carries a placed print, centred on (0, 19).
        """
        first, second, third = (np.asarray(c, np.float32) for c in (self.first, self.second, self.third))
        if self.name == "stripes":
            along = self._turned(x, y)[1]
            return _mix(first, second, _band(along, self.period, self.duty, self.phase, pixel))
        if self.name == "checks":
            u, v = self._turned(x, y) if abs(self.angle) == 45 else (x, y)
            across = _band(u, self.period, 0.5, self.phase, pixel)
            down = _band(v, self.period, 0.5, self.phase, pixel)
            return _mix(first, second, 0.5 * across + 0.5 * down)
        if self.name == "dots":
            return _mix(first, second, self._dots(x, y, pixel))
        if self.name == "gradient":
            return _mix(first, second, np.clip((y - 58 * self.phase * self.phase) / 46, 0, 1) + 0 * x)
        if self.name in ("print", "letters"):
            return self._printed(x, y, pixel, chest, first, second, third)
        if self.denim:
            weave = np.sin(x * 9.0 + y * 5.0) * np.sin(y * 11.0 - x * 3.0)
            return first + (weave * np.float32(min(7.0, 0.7 / max(pixel, 0.1))))[..., None]
        return first

    def _turned(self, x, y):
        c, s = np.float32(np.cos(np.radians(self.angle))), np.float32(np.sin(np.radians(self.angle)))
        return x * c - y * s, x * s + y * c

    def _dots(self, x, y, pixel):
        p = self.period
        row = np.floor(y / p + self.phase)
        dx = (x / p + self.phase + 0.5 * (row % 2)) % 1.0 - 0.5
        dy = (y / p + self.phase) % 1.0 - 0.5
        radius = 0.2 + 0.2 * self.duty
        return np.clip(0.5 + (radius - np.sqrt(dx * dx + dy * dy)) * p / pixel, 0, 1)

    def _printed(self, x, y, pixel, chest, first, second, third):
        texture = motif_texture(self.motif) if self.name == "print" else text_texture(self.text)
        if self.placed:
            if not chest:
                return first
            u, v = x / self.size + 0.5, (y - 19.0) / self.size + 0.5
            return _mix(first, second, sample(texture, u, v, self.size / pixel))
        p = self.period + 1.5
        row, column = np.floor(y / p), np.floor(x / p + 0.5 * (np.floor(y / p) % 2))
        u, v = (x / p + 0.5 * (row % 2)) % 1.0, (y / p) % 1.0
        amount = sample(texture, np.clip(u * 1.3 - 0.15, 0, 1), np.clip(v * 1.3 - 0.15, 0, 1), p / pixel)
        ink = np.where(((row + column) % 2 == 0)[..., None], second, third) if self.name == "print" else second
        return _mix(first, ink, amount)


def _band(t, period: float, duty: float, phase: float, pixel: float) -> np.ndarray:
    """1 on a share `duty` of each period, 0 elsewhere, with edges one pixel soft."""
    off = np.abs((t / np.float32(period) + np.float32(phase)) % 1.0 - 0.5) * np.float32(period)
    return np.clip(0.5 + (period * duty / 2 - off) / pixel, 0, 1)


def _mix(a, b, amount) -> np.ndarray:
    return (a + (b - a) * amount[..., None]).astype(np.float32, copy=False)
