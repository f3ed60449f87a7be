"""Head and hair: painted above the clothes, hair that falls behind the shoulders below them."""

from __future__ import annotations

import numpy as np

from . import labels as L
from .canvas import Canvas, cover, lit, soften
from .form import SIDES, Form
from .geometry import LIGHT, ellipse, smooth, smooth_line, stroke, turned
from .hands import SKIN_TINT
from .person import Person, stream


class Head:
    """The head's own frame: x to the picture's right, y down, origin at the face's middle, before the tilt."""

    def __init__(self, person: Person, form: Form):
        self.person, self.form = person, form
        self.height = person.body.head
        self.width = self.height * (0.70 + 0.05 * person.looks.jaw)
        centre = form.place([(0.0, -6.4 - self.height)])[0]
        self.pivot = form.place([(0.0, -4.0)])[0]
        self.tilt = form.lean + person.pose.head
        self.centre = centre

    def at(self, points) -> np.ndarray:
        return turned(np.asarray(points, np.float64) * (self.width, self.height) + self.centre, self.tilt, self.pivot)

    def local(self, x, y):
        """Unit coordinates (face half-width, half-height) of pixels."""
        c, s = np.float32(np.cos(np.radians(self.tilt))), np.float32(np.sin(np.radians(self.tilt)))
        px, py = x - np.float32(self.pivot[0]), y - np.float32(self.pivot[1])
        hx = px * c + py * s + np.float32(self.pivot[0] - self.centre[0])
        hy = py * c - px * s + np.float32(self.pivot[1] - self.centre[1])
        return hx / np.float32(self.width), hy / np.float32(self.height)

    def oval(self) -> np.ndarray:
        jaw = 0.1 * self.person.looks.jaw
        half = [
            (0, -1.0),
            (0.55, -0.93),
            (0.92, -0.55),
            (1.0, -0.1),
            (0.92 + 0.3 * jaw, 0.38),
            (0.62 + jaw, 0.78),
            (0.26 + jaw, 0.985),
        ]
        return self.at(smooth([*half, (0, 1.0 + 0.2 * jaw), *[(-x, y) for x, y in half[:0:-1]]]))


def paint_back_hair(canvas: Canvas, head: Head) -> None:
    """Hair that falls behind the shoulders."""
    style, hair = head.person.looks.hair_style, np.asarray(head.person.looks.hair)
    shapes = {
        "long": [(0, -1.22), (0.85, -1.0), (1.26, -0.3), (1.36, 0.8), (1.5, 1.9), (1.1, 2.5), (0, 2.6)],
        "bob": [(0, -1.22), (0.85, -1.0), (1.26, -0.3), (1.34, 0.5), (1.22, 1.12), (0.6, 1.2), (0, 1.1)],
        "ponytail": [(0, -1.0), (0.8, -0.6), (0.95, 0.2), (0.6, 1.0), (0, 1.2)],
    }
    if style in shapes:
        half = shapes[style]
        outline = head.at(smooth([*half, *[(-x, y) for x, y in half[-2:0:-1]]]))
        _strands(canvas, head, [outline], hair * 0.78)


def _strands(canvas: Canvas, head: Head, outlines, colour) -> None:
    patch = cover(outlines, canvas.camera)
    if patch is None:
        return
    u, v = head.local(*canvas.camera.grid(patch.box))
    phase = head.person.looks.parting * 3
    shade = 0.98 + 0.05 * np.sin(u * 17 + 2.4 * np.sin(v * 1.7 + phase)) + 0.04 * np.sin(u * 31 + v * 3 + phase)
    shade = (
        shade + 0.16 * np.exp(-(((v + 0.86 + 0.25 * u * u) / 0.16) ** 2)) * np.exp(-((u + 0.25) ** 2)) - 0.09 * u * u
    )
    canvas.paint(patch, lit(colour, shade, (1, 1, 1)), L.HAIR)


def paint_head(canvas: Canvas, head: Head) -> None:
    """Ears, face and the hair in front of it."""
    looks = head.person.looks
    skin = np.asarray(looks.skin, np.float32)
    if looks.hair_style == "bun":
        _strands(
            canvas, head, [head.at(ellipse((0.1 * looks.parting, -1.36), 0.42, 0.3))], np.asarray(looks.hair) * 0.9
        )
    if looks.hair_style == "curly":
        _strands(canvas, head, _curls(head, 1.18, 15), np.asarray(looks.hair) * 0.85)
    ears = [head.at(ellipse((s * 1.02, 0.08), 0.14, 0.2)) for s in SIDES]
    canvas.fill(ears, skin * (0.88, 0.82, 0.8), L.FACE)
    face = cover([head.oval()], canvas.camera)
    if face is not None:
        u, v = head.local(*canvas.camera.grid(face.box))
        cheeks = sum(np.exp(-(((u - s * 0.56) / 0.26) ** 2) - (((v - 0.3) / 0.16) ** 2)) for s in SIDES)
        shade = 1.02 - 0.16 * (u * u) ** 2 - 0.05 * np.clip(v, 0, 2) ** 3 + u * np.float32(LIGHT[0] * 0.09)
        shade = shade + 0.05 * np.exp(-((u / 0.16) ** 2) - (((v - 0.08) / 0.3) ** 2))
        colour = lit(skin, shade, SKIN_TINT) - cheeks[..., None] * np.array([2, 14, 12], np.float32)
        if looks.beard:
            mouth = np.clip((np.hypot(u / 0.32, (v - 0.60) / 0.085) - 0.9) * 5, 0, 1)
            stubble = np.clip((v - 0.46 + 0.5 * u * u) / 0.14, 0, 1) * mouth
            colour = colour + (np.asarray(looks.hair, np.float32) - colour) * (stubble * looks.beard)[..., None]
        canvas.paint(face, colour, L.FACE)
    _features(canvas, head)
    _front_hair(canvas, head)


def _features(canvas: Canvas, head: Head) -> None:
    looks, skin = head.person.looks, np.asarray(head.person.looks.skin, np.float32)
    turn = 0.06 * head.person.pose.turn
    dark = np.asarray(looks.hair, np.float32) * 0.55 + np.array([14, 10, 10], np.float32)
    rise, look = 0.05 * looks.brow, turn + 0.05 * head.person.pose.turn
    eyes = [(s, s * 0.40 + turn, s * 0.40 + look) for s in SIDES]

    def both(shape) -> list[np.ndarray]:
        return [outline for eye in eyes for outline in shape(*eye)]

    socket = cover(both(lambda s, x, _: [head.at(ellipse((x, -0.05), 0.27, 0.14))]), canvas.camera)
    if socket is not None:
        canvas.darken(soften(socket, 1.0, canvas.size), 0.10, (0.8, 1, 1))
    canvas.fill(both(lambda s, x, _: [head.at(ellipse((x, -0.03), 0.185, 0.082))]), (246, 243, 240))
    canvas.fill(both(lambda s, x, i: [head.at(ellipse((i, -0.035), 0.092, 0.082))]), looks.iris)
    canvas.fill(both(lambda s, x, i: [head.at(ellipse((i, -0.035), 0.048, 0.045))]), (18, 14, 14))
    canvas.fill(both(lambda s, x, i: [head.at(ellipse((i - 0.03, -0.06), 0.02, 0.017))]), (255, 255, 255))
    lid = np.array([(-0.20, -0.01), (-0.1, -0.095), (0.08, -0.1), (0.2, -0.015)])
    canvas.fill(both(lambda s, x, _: stroke(head.at(smooth_line(lid + np.array((x, 0)))), 0.27)), (44, 32, 32))
    brow = np.array([(-0.23, -0.235), (0.07, -0.27 - 0.7 * rise), (0.26, -0.225)])
    thick = 0.26 + 0.12 * looks.jaw
    canvas.fill(
        both(lambda s, x, _: stroke(head.at(smooth_line(brow * (s, 1) + np.array((x, 0)))), thick)), dark, opacity=0.85
    )
    side = 1.0 if turn >= 0 else -1.0
    nose = [
        (turn * 1.4 - side * 0.06, 0.02),
        (turn * 1.8 + side * 0.05, 0.22),
        (turn * 1.8 + side * 0.12, 0.31),
        (turn * 1.8, 0.345),
    ]
    canvas.fill(stroke(head.at(smooth_line(nose)), 0.2), skin * (0.74, 0.64, 0.6), opacity=0.6)
    nostrils = [head.at(ellipse((turn * 1.8 + s * 0.085, 0.335), 0.035, 0.022)) for s in SIDES]
    canvas.fill(nostrils, skin * (0.55, 0.45, 0.42), opacity=0.7)
    smile, x = looks.smile, turn * 1.4
    lips = np.asarray(looks.lips, np.float32)
    w, y = 0.27 + 0.06 * smile, 0.585
    corner = y - 0.035 * smile
    upper = [(x - w, corner), (x - w, corner), (x - 0.09, y - 0.045), (x, y - 0.03), (x + 0.09, y - 0.045),
             (x + w, corner), (x + w, corner), (x, y + 0.03 + 0.03 * smile)]  # fmt: skip
    lower = [
        (x - w, corner),
        (x - w, corner),
        (x, y + 0.012 + 0.02 * smile),
        (x + w, corner),
        (x + w, corner),
        (x, y + 0.105 + 0.03 * smile),
    ]
    canvas.fill([head.at(smooth(lower))], np.minimum(lips * 1.06, 255))
    canvas.fill([head.at(smooth(upper))], lips * 0.88)
    if smile > 0.72:
        teeth = [
            (x - 0.7 * w, y - 0.005),
            (x - 0.7 * w, y - 0.005),
            (x, y + 0.01),
            (x + 0.7 * w, y - 0.005),
            (x + 0.7 * w, y - 0.005),
            (x, y + 0.06),
        ]
        canvas.fill([head.at(smooth(teeth))], (250, 247, 243))


def _curls(head: Head, radius: float, count: int) -> list[np.ndarray]:
    rng = stream("curls", head.person.seed)
    curls = []
    for i in range(count):
        angle = np.radians(-205 + 230 * i / (count - 1))
        spot = (radius * 0.98 * np.cos(angle), -0.25 + radius * 0.86 * np.sin(angle))
        r = rng.uniform(0.22, 0.32)
        curls.append(head.at(ellipse(spot, r, r * 0.72)))
    return [*curls, head.at(ellipse((0, -0.45), 1.12, 0.78))]


def _front_hair(canvas: Canvas, head: Head) -> None:
    looks = head.person.looks
    style, f = looks.hair_style, looks.fringe
    if style == "bald":
        return
    p = looks.parting * 0.5
    low = -0.62 + 0.12 * f  # the hairline's height
    if style in ("short", "side", "curly"):
        lift = 0.1 if style == "side" else 0.0
        cap = [(-1.04, 0.0), (-1.09, -0.45), (-0.88, -0.9 - lift), (-0.45, -1.14 - lift), (p * 0.4, -1.2 - lift),
               (0.45, -1.14 - lift), (0.88, -0.9 - lift), (1.09, -0.45), (1.04, 0.0), (1.04, 0.0), (0.95, -0.1),
               (0.87, -0.45), (0.5, low - 0.05 * f), (p, low - 0.06), (-0.5, low + 0.03), (-0.87, -0.45),
               (-0.95, -0.1), (-1.04, 0.0)]  # fmt: skip
        outlines = [head.at(smooth(cap))]
        if style == "curly":
            outlines += [
                head.at(ellipse((x, -0.72 - 0.1 * abs(x)), 0.26, 0.17)) for x in (-0.6, -0.25, 0.1, 0.45, 0.72)
            ]
        _strands(canvas, head, outlines, np.asarray(looks.hair))
        return
    top = [(-1.12, 0.1), (-1.15, -0.5), (-0.85, -1.08), (0, -1.26), (0.85, -1.08), (1.15, -0.5), (1.12, 0.1)]
    if style in ("bun", "ponytail"):
        inner = [
            (1.12, 0.1),
            (0.95, 0.05),
            (0.86, -0.42),
            (0.45, low),
            (p, low - 0.14),
            (-0.45, low),
            (-0.86, -0.42),
            (-0.95, 0.05),
            (-1.12, 0.1),
        ]
    elif f > 0.62:  # a straight fringe
        inner = [
            (1.12, 0.1),
            (0.9, 0.2),
            (0.84, -0.34),
            (0.80, -0.42),
            (0, -0.37),
            (-0.80, -0.42),
            (-0.84, -0.34),
            (-0.9, 0.2),
            (-1.12, 0.1),
        ]
    else:
        inner = [
            (1.12, 0.1),
            (0.88, 0.35),
            (0.84, -0.2),
            (0.55, -0.55),
            (p, -0.86),
            (p, -0.86),
            (-0.55, -0.55),
            (-0.84, -0.2),
            (-0.88, 0.35),
            (-1.12, 0.1),
        ]
    outlines = [head.at(smooth([*top, *inner]))]
    if style in ("long", "bob"):
        end = 1.55 + 0.5 * f if style == "long" else 0.98
        for s in SIDES:
            lock = [
                (0.80, -0.5),
                (1.16, -0.45),
                (1.3, 0.3),
                (1.34 if style == "long" else 1.26, end),
                (1.02, end + 0.1),
                (0.95, 0.8),
                (0.88, 0.2),
            ]
            outlines.append(head.at(smooth([(s * x, y) for x, y in lock])))
    if style == "ponytail":
        s = 1 if looks.parting > 0 else -1
        tail = [(0.72, 0.0), (1.06, 0.1), (1.28, 0.8), (1.36, 1.6), (1.16, 2.2), (1.0, 1.7), (0.9, 0.9)]
        outlines.append(head.at(smooth([(s * x, y) for x, y in tail])))
    _strands(canvas, head, outlines, np.asarray(looks.hair))
