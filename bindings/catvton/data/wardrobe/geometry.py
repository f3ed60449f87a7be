"""Plane geometry of the drawing: smooth outlines, tapered limbs, and the camera between centimetres and pixels.

Everything is drawn in centimetres (x to the right of the picture, y down, origin between the collar bones), so that one
outline serves every picture size; only `Camera` knows pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_STEPS = 6


def _catmull_rom(steps: int) -> np.ndarray:
    t = np.linspace(0.0, 1.0, steps, endpoint=False)[:, None]
    return (
        np.concatenate([-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3], axis=1)
        * 0.5
    )  # [steps, 4]


_BASIS = _catmull_rom(_STEPS)


def _curve(knots: np.ndarray) -> np.ndarray:
    """Points of the stretches between the middle two of each four knots, [n, 4, 2] -> [n * 6, 2]."""
    curve = _BASIS @ knots
    corner = (knots[:, 1] == knots[:, 2]).all(1)
    curve[corner] = knots[corner, 1:2]  # else the spline would loop out of a doubled point and back
    return curve.reshape(-1, 2)


def smooth(points) -> np.ndarray:
    """Closed Catmull-Rom curve through `points` [n, 2]; a point given twice is a sharp corner. Returns [n * 6, 2]."""
    p = np.asarray(points, np.float64)
    p = np.concatenate([p[-1:], p, p[:2]])
    knots = np.stack([p[:-3], p[1:-2], p[2:-1], p[3:]], axis=1)  # [n, 4, 2]
    return _curve(knots)


def smooth_line(points) -> np.ndarray:
    """Open Catmull-Rom curve from the first to the last of `points` [n, 2]."""
    p = np.asarray(points, np.float64)
    p = np.concatenate([p[:1] * 2 - p[1:2], p, p[-1:] * 2 - p[-2:-1]])
    knots = np.stack([p[:-3], p[1:-2], p[2:-1], p[3:]], axis=1)
    return np.concatenate([_curve(knots), p[-2:-1]])


def mirrored(right) -> np.ndarray:
    """A closed outline from its right half, top to bottom: the half, then its mirror image back up."""
    right = np.asarray(right, np.float64)
    return np.concatenate([right, right[::-1] * (-1.0, 1.0)])


def turned(points, degrees: float, centre=(0.0, 0.0)) -> np.ndarray:
    """`points` turned about `centre`; positive degrees turn clockwise in the picture (y points down)."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return (np.asarray(points, np.float64) - centre) @ np.array([[c, s], [-s, c]]) + centre


def ellipse(centre, rx: float, ry: float, degrees: float = 0.0, steps: int = 28) -> np.ndarray:
    angle = np.linspace(0, 2 * np.pi, steps, endpoint=False)
    return turned(np.stack([rx * np.cos(angle), ry * np.sin(angle)], 1), degrees) + centre


def limb(joints, radii, steps: int = 8) -> list[np.ndarray]:
    """Outlines whose union is a limb, joints [n, 2], radii [n] (or one) in cm.

    From each joint to the next a capsule: the convex outline of two circles, which tapers from one radius to the other.
    Points are complex numbers here, so that a turn is a product.
    """
    z = np.ascontiguousarray(joints, np.float64).view(np.complex128)[:, 0]
    r = np.asarray(radii, np.float64) + np.zeros(len(z))
    bone = z[1:] - z[:-1]
    length = np.maximum(np.abs(bone), 1e-9)
    lean = np.arccos(np.clip((r[:-1] - r[1:]) / length, -1.0, 1.0))  # where the common tangent touches
    t = 1j * _ARC[steps]
    bone = (bone / length)[:, None]
    end = z[1:, None] + r[1:, None] * bone * np.exp(lean[:, None] * t)
    start = z[:-1, None] - r[:-1, None] * bone * np.exp((np.pi - lean)[:, None] * t)
    return list(np.concatenate([end, start], axis=1).view(np.float64).reshape(len(bone), 2 * steps, 2))


_ARC = {steps: np.linspace(-1.0, 1.0, steps) for steps in (4, 8)}


def cut_off(a, b, radius_a: float, radius_b: float, bow: float = 0.25) -> np.ndarray:
    """The last stretch of a sleeve: round at `a`, cut straight at `b` with a hem that bows by `bow` of its radius."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    along = (b - a) / max(np.hypot(*(b - a)), 1e-9)
    across = np.array([-along[1], along[0]])
    angle = np.linspace(np.pi / 2, 3 * np.pi / 2, 9)[:, None]
    back = a + radius_a * (np.sin(angle) * across + np.cos(angle) * along)
    t = np.linspace(-1, 1, 9)[:, None]
    return np.concatenate([back, b + radius_b * (t * across + bow * (1 - t**2) * along)])


def stroke(points, radius: float) -> list[np.ndarray]:
    """A line of round ends along `points`, `radius` cm to either side."""
    if len(points) > 8:  # curves come with more points than a thin line shows
        points = np.concatenate([points[:-1:2], points[-1:]])
    return limb(points, radius, steps=4)


class Box(NamedTuple):
    """Pixels [top:bottom, left:right] of a picture."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def index(self) -> tuple[slice, slice]:
        return slice(self.top, self.bottom), slice(self.left, self.right)


class Camera(NamedTuple):
    """Pixels = centimetres * scale + (x, y), for pictures of `height` x `width` pixels."""

    scale: float
    x: float
    y: float
    height: int
    width: int

    def pixels(self, points) -> np.ndarray:
        return np.asarray(points, np.float64) * self.scale + (self.x, self.y)

    def grid(self, box: Box) -> tuple[np.ndarray, np.ndarray]:
        """Centimetres of the pixel centres of `box`: x [1, w] and y [h, 1], float32, to be broadcast."""
        x = (np.arange(box.left, box.right, dtype=np.float32) + np.float32(0.5 - self.x)) / np.float32(self.scale)
        y = (np.arange(box.top, box.bottom, dtype=np.float32) + np.float32(0.5 - self.y)) / np.float32(self.scale)
        return x[None, :], y[:, None]


LIGHT = (-0.62, -0.5)  # towards the lamp: up and to the picture's left


def limb_coordinates(x, y, joints, radii) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where pixels lie on a bent limb: `along` in cm from the first joint, `across` in [-1, 1] from edge to edge, and
    `facing`, how much that side of the round limb faces the lamp (-1..1).

    Each pixel belongs to its nearest bone; radii are interpolated along it. x, y: broadcastable cm.
    """
    best = along = across = facing = None
    done = 0.0
    for (ax, ay), (bx, by), ra, rb in zip(joints[:-1], joints[1:], radii[:-1], radii[1:], strict=True):
        length = float(np.hypot(bx - ax, by - ay))
        dx, dy = float(bx - ax) / length, float(by - ay) / length
        px, py = x - np.float32(ax), y - np.float32(ay)
        t, side = px * dx + py * dy, py * dx - px * dy
        inside = np.clip(t, 0.0, length)
        beyond = t - inside  # 0 beside the bone; round its ends the distance to the joint counts
        away = np.sqrt(side * side + beyond * beyond)
        radius = float(ra) + inside * (float(rb - ra) / length)
        if best is None:  # the wedge outside a bend goes to the bone before it, with cloth drawn evenly round the joint
            here, width = done + np.maximum(t, -6.0), np.where(t > length, np.copysign(away, side), side) / radius
        else:
            here, width = done + inside, side / radius
        lamp = (side * (dx * LIGHT[1] - dy * LIGHT[0]) + beyond * (dx * LIGHT[0] + dy * LIGHT[1])) / radius
        if best is None:
            best, along, across, facing = away, here, width, lamp
        else:
            nearer = away < best - 1e-3
            along, across = np.where(nearer, here, along), np.where(nearer, width, across)
            facing, best = np.where(nearer, lamp, facing), np.minimum(away, best)
        done += length
    return along, np.clip(across, -1.15, 1.15), np.clip(facing, -1.0, 1.0)
