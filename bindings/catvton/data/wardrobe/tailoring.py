"""Cutting a garment for a body: which pieces of cloth lie where, as outlines in cm and surfaces to map cloth onto."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .form import CROTCH, HIP, SIDES, UNDERARM, WAIST, Form
from .garment import Garment
from .geometry import cut_off, ellipse, limb, mirrored, smooth, smooth_line, stroke

RISE = WAIST + 2.0  # where trousers and skirts begin


@dataclass(frozen=True)
class Torso:
    """Cloth round the torso: half-widths to the picture's left and right at heights `y`, cm of the torso's frame."""

    y: np.ndarray
    left: np.ndarray
    right: np.ndarray
    pleats: int = 0


@dataclass(frozen=True)
class Limb:
    """Cloth round an arm or a leg."""

    joints: np.ndarray  # [n, 2] cm
    radii: np.ndarray  # [n]
    side: int
    torso: Torso  # the cloth it hangs from, into which it blends
    leg: bool = False


@dataclass(frozen=True)
class Piece:
    """role: "cloth", "trim" (the second colour), "inside" (the lining seen in a flat garment's neck), "under" (the
    undershirt), "seam" (a darkened line), "button"."""

    outlines: list[np.ndarray]
    surface: Torso | Limb
    role: str = "cloth"
    chest: bool = False


@dataclass(frozen=True)
class Tailored:
    body: list[Piece]
    arms: dict[int, list[Piece]] = field(default_factory=dict)


def tailor(garment: Garment, form: Form) -> Tailored:
    """The pieces of `garment` on `form`, in the order of painting."""
    if garment.category == "lower":
        pieces = _skirt(garment, form) if garment.kind == "skirt" else _trousers(garment, form)
        return Tailored(pieces)
    body = _top(garment, form)
    arms = {side: _sleeve(garment, form, i) for i, side in enumerate(SIDES)} if garment.cut.sleeve > 0 else {}
    return Tailored(body, arms)


# ------------------------------------------------------------------------------------------------ tops and dresses


def shoulder_line(form: Form, x: float) -> float:
    """Height of the shoulder's top edge `x` cm from the middle."""
    b = form.body
    return float(np.interp(x, [b.neck, b.neck + 2.5, b.shoulder], [-3.2, -1.6, 3.0]))


def _neckline(garment: Garment, form: Form) -> list[tuple[float, float]]:
    """From the middle of the neckline to the neck's side, in the torso's frame; a doubled point is a corner."""
    cut, b = garment.cut, form.body
    x = b.neck + cut.neck_width + (3.0 if cut.neck == "boat" else 0.0)
    y = shoulder_line(form, x)
    d = cut.neck_depth
    inner = {
        "round": [(0, d), (0.58 * x, 0.8 * d), (0.93 * x, 0.3 * d)],
        "v": [(0, d + 3), (0, d + 3)],
        "boat": [(0, 0.45 * d), (0.6 * x, 0.36 * d), (0.9 * x, 0.1 * d)],
        "square": [(0, d), (0.84 * x, d - 0.3), (0.84 * x, d - 0.3)],
        "collar": [(0, d), (0, d), (0.66 * x, 0.12 * d)],
        "lapel": [(0, d), (0, d), (0.62 * x, 0.3 * d)],
    }[cut.neck]
    return [*inner, (x, y), (x, y)]


def _top_widths(garment: Garment, form: Form) -> Torso:
    cut, b = garment.cut, form.body
    hem = _hem(garment, form)
    y = [-4.0, 3.2, UNDERARM, WAIST, HIP]
    w = [b.shoulder + 0.4, b.shoulder + 0.4, b.chest + cut.ease, b.waist + cut.waist_ease, b.hip + 1.1 + 0.5 * cut.ease]
    if _tucked(garment, form):
        y[-1], w[-1] = hem, b.waist + 0.4
    elif hem < HIP:
        y[-1], w[-1] = hem, float(np.interp(hem, y, w))
    elif garment.kind == "dress":
        y += [CROTCH + 4, hem]
        w += [w[-1] + 0.8 + 0.25 * cut.flare, w[-1] + 1.2 + cut.flare]
    else:
        y, w = [*y, hem], [*w, w[-1] + 0.4]
    return _over_legs(form, np.array(y), np.array(w), cut.pleats)


def _over_legs(form: Form, y: np.ndarray, w: np.ndarray, pleats: int) -> Torso:
    """Widths that also clear the legs, which stand apart below the hips."""
    sides = []
    for i, side in enumerate(SIDES):
        joints, radii = form.legs[i], form.leg_radii
        leg = np.interp(y, joints[:, 1], side * joints[:, 0] + radii + 1.0)
        sides.append(np.where(y > CROTCH, np.maximum(w, leg), w))
    return Torso(y, sides[0], sides[1], pleats)


def _hem(garment: Garment, form: Form) -> float:
    return RISE + 2.0 if _tucked(garment, form) else garment.cut.hem


def _tucked(garment: Garment, form: Form) -> bool:
    return garment.cut.tucked and not form.flat


def _sides(form: Form, widths: Torso, top_right: list, first: int, wave: float = 0.0) -> np.ndarray:
    """A closed outline: `top_right` (middle to side), down both sides from row `first` of `widths`, along the hem."""

    def rows(w):
        corner = (w[-1], widths.y[-1])
        return [*zip(w[first:], widths.y[first:], strict=True), corner]

    hem = widths.y[-1]
    span = np.linspace(0.85, -0.85, 8)
    reach = np.where(span > 0, widths.right[-1], widths.left[-1])
    edge = np.stack([span * reach, hem + 1.2 * (1 - span**2) + wave * np.cos(span * 9)], 1)
    right = [*top_right, *rows(widths.right)]
    left = [*((-x, y) for x, y in top_right if x != 0), *((-x, y) for x, y in rows(widths.left))]
    return form.place(smooth([*right, *edge, *left[::-1]]))


def _top(garment: Garment, form: Form) -> list[Piece]:
    cut, b = garment.cut, form.body
    widths = _top_widths(garment, form)
    neck = _neckline(garment, form)
    x, y = neck[-1]
    if cut.sleeve > 0:
        tip = (b.shoulder + 0.3, 3.4)
        edge = [*neck, tip, tip]
    else:
        strap = x + (3.4 if garment.kind == "tank-top" else 4.2)
        tip = (strap, shoulder_line(form, strap))
        edge = [
            *neck,
            tip,
            tip,
            (strap + 0.1, 8.0),
            (0.5 * (strap + b.chest) + 0.4, 14.5),
            (widths.right[2] - 0.3, 17.2),
        ]
    outline = _sides(form, widths, edge, 2, wave=0.5 if garment.kind == "dress" and cut.pleats else 0.0)
    pieces = [Piece([outline], widths, chest=True)]
    if garment.kind == "jacket" and not form.flat:
        pieces.insert(0, Piece([form.place(_undershirt(form, neck))], widths, "under"))
    if form.flat:
        back = [(0, 0.8), (0.6 * x, 0.2), (x, y), (x, y)]
        if cut.neck in ("collar", "lapel"):  # the collar stands up behind the neck
            back = [(0, y + 0.2), (0.6 * x, y - 0.3), (x - 0.2, y - 1.4), (x, y)]
        pieces.insert(0, Piece([form.place(smooth(mirrored([*back, *neck[::-1]])))], widths, "inside"))
    return pieces + _neck_details(garment, form, widths, neck) + _front_details(garment, form, widths)


def _undershirt(form: Form, neck) -> np.ndarray:
    x, y = neck[-1]
    depth = max(py for _, py in neck) + 2
    return smooth(
        mirrored(
            [(0, 6.0), (0.6 * x, 4.6), (0.95 * x, y + 0.8), (x + 0.6, y), (x + 0.6, y), (0.3, depth), (0.3, depth)]
        )
    )


def _neck_details(garment: Garment, form: Form, widths: Torso, neck) -> list[Piece]:
    cut = garment.cut
    x, y = neck[-1]
    role = "trim" if cut.trim else "cloth"
    if cut.neck == "collar":
        d = cut.neck_depth
        wing = [
            (0.35, 0.5 * d),
            (0.35, 0.5 * d),
            (0.75 * x, y - 1.0),
            (x - 0.2, y - 1.8),
            (x + 1.2, y + 0.6),
            (x + 0.6, 4.6),
            (x + 0.6, 4.6),
        ]
        wings = [np.array(wing), np.array(wing) * (-1, 1)]
        outlines = [form.place(smooth(w)) for w in wings]
        edges = [form.place(smooth_line(w[[0, 6, 5, 4]])) for w in wings]
        return [Piece(outlines, widths, role), Piece([s for e in edges for s in stroke(e, 0.16)], widths, "seam")]
    if cut.neck == "lapel":
        d = cut.neck_depth
        flap = np.array([(0.2, d), (0.2, d), (0.5 * x, 0.3 * d), (x - 0.4, y - 1), (x + 1.2, y + 0.6),
                         (x + 2.6, 5.0), (x + 2.6, 5.0), (x + 0.6, 6.2), (x + 3.2, 7.6), (x + 3.2, 7.6),
                         (0.55 * x, 0.72 * d)])  # fmt: skip
        flaps = [flap, flap * (-1, 1)]
        outlines = [form.place(smooth(f)) for f in flaps]
        edges = [form.place(smooth_line(f[[0, 10, 9, 7, 6, 4]])) for f in flaps]
        return [Piece(outlines, widths, role), Piece([s for e in edges for s in stroke(e, 0.18)], widths, "seam")]
    line = smooth_line(np.array([*[(-px, py) for px, py in neck[:0:-1]], *neck])[1:-1])
    line = line[abs(line[:, 0]) < 0.97 * x]  # bands end at the shoulder seams
    line, below = form.place(line), form.place(line + np.array((0, 0.9)))
    if garment.kind == "tank-top" and not cut.trim:
        return [Piece(stroke(line, 0.22), widths, "seam")]
    band = Piece(stroke(line, 0.75), widths, role)
    lower = Piece(stroke(below, 0.14), widths, "seam")
    return [band, lower]


def _front_details(garment: Garment, form: Form, widths: Torso) -> list[Piece]:
    cut, hem = garment.cut, float(widths.y[-1])
    pieces = []
    if garment.kind == "dress":
        w = widths.right[3] + 1
        line = smooth_line([(-w, WAIST + 0.6), (0, WAIST + 1.8), (w, WAIST + 0.6)])
        pieces.append(Piece(stroke(form.place(line), 1.3 if cut.trim else 0.2), widths, "trim" if cut.trim else "seam"))
    if not _tucked(garment, form):
        w = widths
        line = smooth_line(
            [
                (-w.left[-1], hem - 2),
                (-0.5 * w.left[-1], hem - 1.1),
                (0, hem - 0.8),
                (0.5 * w.right[-1], hem - 1.1),
                (w.right[-1], hem - 2),
            ]
        )
        pieces.append(Piece(stroke(form.place(line), 0.13), widths, "seam"))
    if cut.closing != "none":
        top = 0.65 * cut.neck_depth if garment.kind == "shirt" else cut.neck_depth + 0.5
        centre = form.place(np.stack([np.zeros(12), np.linspace(top, hem + 0.6, 12)], 1))
        if cut.closing == "zip":
            pieces.append(Piece(stroke(centre, 0.5), widths, "seam"))
        else:
            aside = np.array((1.4, 0))
            pieces.append(Piece(stroke(centre - aside, 0.13) + stroke(centre + aside, 0.13), widths, "seam"))
            spots = form.place(np.stack([np.zeros(9), np.arange(top + 4, top + 4 + 9 * 8.5, 8.5)], 1))
            pieces.append(Piece([ellipse(s, 0.62, 0.62) for s in spots if s[1] < hem - 3], widths, "button"))
    if cut.pockets and garment.kind == "shirt":
        pocket = [(5.0, 17.0), (12.0, 17.0), (12.0, 24.0), (8.5, 25.6), (5.0, 24.0), (5.0, 17.0)]
        pieces.append(Piece(stroke(form.place(pocket), 0.15), widths, "seam"))
    if cut.pockets and garment.kind == "jacket":
        slits = [stroke(form.place([(s * 7.0, 47.0), (s * 12.5, 44.5)]), 0.35) for s in SIDES]
        pieces.append(Piece(slits[0] + slits[1], widths, "seam"))
    return pieces


# ------------------------------------------------------------------------------------------------ sleeves, trousers


def shortened(joints: np.ndarray, radii: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """The first `share` (0..1, by length) of a limb: joints and radii."""
    lengths = np.hypot(*np.diff(joints, axis=0).T)
    reached = np.concatenate([[0.0], np.cumsum(lengths)])
    end = share * reached[-1]
    inner = reached < end - 1e-6
    cut = [np.interp(end, reached, joints[:, 0]), np.interp(end, reached, joints[:, 1])]
    return np.concatenate([joints[inner], [cut]]), np.append(radii[inner], np.interp(end, reached, radii))


def _tube(joints: np.ndarray, radii: np.ndarray, bow: float) -> list[np.ndarray]:
    return [*limb(joints[:-1], radii[:-1]), cut_off(joints[-2], joints[-1], radii[-2], radii[-1], bow)]


def _sleeve(garment: Garment, form: Form, i: int) -> list[Piece]:
    cut, side = garment.cut, SIDES[i]
    ease, widths = cut.sleeve_ease, _top_widths(garment, form)
    radii = form.arm_radii + np.array([0.9 + 0.25 * ease, 0.5 + 0.8 * ease, 0.6 + 0.45 * ease])
    joints, radii = shortened(form.arms[i], radii, min(cut.sleeve, 1.0) * 0.97)
    surface = Limb(form.arms[i], np.concatenate([radii, np.full(3 - len(radii), radii[-1])]), side, widths)
    pieces = [Piece(_tube(joints, radii, 0.22), surface)]
    end, before = joints[-1], joints[-2]
    along = (end - before) / np.hypot(*(end - before))
    across = np.array([-along[1], along[0]]) * radii[-1]
    t = np.linspace(-1, 1, 7)[:, None]
    bow = 0.22 * radii[-1] * (1 - t**2) * along
    if cut.trim or (garment.kind in ("shirt", "jacket") and cut.sleeve > 0.6):
        depth = 3.2 if cut.sleeve > 0.6 else 1.8
        far, near = end + t * across + bow, end - depth * along + t * across * 1.01 + bow
        if cut.trim:
            pieces.append(Piece([np.concatenate([far, near[::-1]])], surface, "trim"))
        pieces.append(Piece(stroke(near, 0.15), surface, "seam"))
    else:
        pieces.append(Piece(stroke(end - 1.3 * along + t * across + bow, 0.12), surface, "seam"))
    return pieces


def _waistband(form: Form, widths: Torso, role: str) -> list[Piece]:
    left, right = widths.left[0] + 0.2, widths.right[0] + 0.2
    rows = [(-left, RISE), (-left, RISE), (0, RISE + 1.4), (right, RISE), (right, RISE)]
    low = [(x * 1.03, y + 3.2) for x, y in rows]
    band = form.place(smooth([*rows, *low[::-1]]))
    line = form.place(smooth_line(low[1:-1]))
    return [Piece([band], widths, role), Piece(stroke(line, 0.16), widths, "seam")]


def _trousers(garment: Garment, form: Form) -> list[Piece]:
    cut, b = garment.cut, form.body
    y = np.array([RISE, RISE + 6, HIP, CROTCH])
    w = np.array([b.waist + 0.9, 0.5 * (b.waist + b.hip) + 0.3, b.hip + 0.7, b.hip + 1.1])
    widths = Torso(y, w, w)
    block = _sides(form, widths, [(0, RISE + 1.4), (w[0], RISE), (w[0], RISE)], 1)
    pieces, seams = [Piece([block], widths)], []
    for i, side in enumerate(SIDES):
        radii = form.leg_radii + np.array([0.9, 0.7 + cut.leg_ease, 1.0 + cut.leg_ease + cut.flare])
        joints, radii = shortened(form.legs[i], radii, cut.leg)
        if garment.kind == "shorts":
            radii[-1] += 0.6 + cut.flare
        surface = Limb(
            form.legs[i], np.concatenate([radii, np.full(3 - len(radii), radii[-1])]), side, widths, leg=True
        )
        pieces.append(Piece(_tube(joints, radii, 0.12), surface))
        end = joints[-1]
        t = np.linspace(-1, 1, 5)
        hem = end + np.stack([t * radii[-1], -1.6 + 0.12 * radii[-1] * (1 - t * t)], 1)
        pieces.append(Piece(stroke(hem, 0.15), surface, "seam"))
        if cut.pockets:
            hip = w[1] - 1.0
            pocket = [(0.55 * hip, RISE + 3.4), (0.8 * hip, RISE + 9), (hip + 1.6, RISE + 12)]
            seams += stroke(form.place(smooth_line(np.array(pocket) * (side, 1))), 0.16)
    seams += stroke(form.place([(0, RISE + 4), (0.2, CROTCH + 1)]), 0.18)
    seams += stroke(form.place(smooth_line([(2.6, RISE + 4), (2.6, RISE + 12), (0.3, RISE + 17)])), 0.12)
    pieces.append(Piece(seams, widths, "seam"))
    pieces += _waistband(form, widths, "cloth")
    pieces.append(Piece([ellipse(form.place([(0, RISE + 3.0)])[0], 0.8, 0.8)], widths, "button"))
    return pieces


def _skirt(garment: Garment, form: Form) -> list[Piece]:
    cut, b = garment.cut, form.body
    y = np.array([RISE, RISE + 6, HIP, CROTCH + 4, cut.hem])
    low = b.hip + 1.6 + cut.flare
    w = np.array([b.waist + 0.9, 0.5 * (b.waist + b.hip) + 0.3, b.hip + 0.8, b.hip + 1.4 + 0.3 * cut.flare, low])
    widths = _over_legs(form, y, w, cut.pleats)
    outline = _sides(form, widths, [(0, RISE + 1.4), (w[0], RISE), (w[0], RISE)], 1, wave=0.5 if cut.pleats else 0.0)
    return [Piece([outline], widths), *_waistband(form, widths, "trim" if cut.trim else "cloth")]
