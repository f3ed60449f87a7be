"""Who is in the picture: body, pose, looks, backdrop and framing, drawn from a seed and free of any garment."""

from __future__ import annotations

import colorsys
import random
from dataclasses import dataclass

Colour = tuple[float, float, float]

FRAMINGS = ("upper", "full")  # VITON-HD's waist-up crop, DressCode's whole person
HAIR_STYLES = ("short", "side", "bob", "long", "bun", "curly", "ponytail", "bald")
ARM_POSES = ("down", "relaxed", "hip", "raised", "crossed", "pocket")

_SKIN = [
    (250, 220, 198),
    (243, 203, 172),
    (228, 180, 142),
    (205, 151, 110),
    (168, 115, 78),
    (128, 84, 56),
    (96, 62, 44),
]
_HAIR = [(38, 30, 28), (62, 42, 32), (96, 62, 40), (140, 92, 52), (196, 150, 92), (226, 196, 140), (150, 62, 38),
         (168, 166, 168), (84, 70, 66)]  # fmt: skip
_IRIS = [(84, 56, 36), (60, 92, 60), (70, 104, 140), (110, 84, 44)]
_LIPS = [(196, 104, 100), (178, 84, 88), (206, 122, 108), (168, 70, 80)]
_SHOES = [(240, 240, 238), (46, 46, 52), (120, 78, 50), (176, 58, 56), (70, 92, 130), (214, 190, 160)]
_WALL_HUES = [0.08, 0.1, 0.13, 0.55, 0.58, 0.62, 0.95, 0.3, 0.42, 0.75]


def stream(*key) -> random.Random:
    """A random stream that depends on `key` alone, the same in every process and on every machine."""
    return random.Random("catvton wardrobe/" + "/".join(map(str, key)))


def jitter(rng: random.Random, colour, amount: float) -> Colour:
    return tuple(min(255.0, max(0.0, c + rng.uniform(-amount, amount))) for c in colour)


def hsv(h: float, s: float, v: float) -> Colour:
    return tuple(255 * c for c in colorsys.hsv_to_rgb(h % 1.0, s, v))


@dataclass(frozen=True)
class Body:
    """Half-widths and lengths in cm; `bulk` scales the limbs' radii."""

    neck: float
    shoulder: float
    chest: float
    waist: float
    hip: float
    bust: float  # depth of the shading under the bust, 0..1
    bulk: float
    arm: float  # length of upper arm and forearm together
    leg: float  # length of thigh and shin together
    head: float  # half the face's height


@dataclass(frozen=True)
class Pose:
    """Angles in degrees from straight down, outwards positive; sides in the order picture's left, picture's right."""

    name: tuple[str, str]
    arms: tuple[tuple[float, float], tuple[float, float]]  # (upper arm, forearm) per side
    hands: tuple[float, float]
    legs: tuple[tuple[float, float], tuple[float, float]]  # (thigh, shin) per side
    lean: float  # of the torso about the hips
    head: float  # tilt
    turn: float  # where the face looks, -1..1


@dataclass(frozen=True)
class Looks:
    skin: Colour
    hair: Colour
    hair_style: str
    fringe: float  # 0..1, how far hair comes down the forehead
    parting: float  # -1..1
    iris: Colour
    lips: Colour
    smile: float
    brow: float
    jaw: float
    beard: float
    shoes: Colour
    undershirt: Colour


@dataclass(frozen=True)
class Backdrop:
    kind: str  # "studio", "gradient", "room", "panel"
    wall: Colour
    second: Colour
    horizon: float  # 0..1 of the height
    place: float  # 0..1 of the width


@dataclass(frozen=True)
class Person:
    """One person in one pose before one backdrop. `sample` draws it; `dataclasses.replace` changes it."""

    seed: str
    body: Body
    pose: Pose
    looks: Looks
    backdrop: Backdrop
    framing: str
    zoom: float
    offset: tuple[float, float]  # of the camera, cm

    @staticmethod
    def sample(seed, framing: str = "upper") -> Person:
        """The person of `seed` (anything with a stable str()). framing: one of `FRAMINGS`."""
        if framing not in FRAMINGS:
            raise ValueError(f"framing {framing!r}: expected one of {', '.join(FRAMINGS)}")
        rng = stream("person", seed)
        woman = rng.random()  # a scale, not a switch: shoulders, waist, hips and bust follow it
        body = _body(rng, woman)
        return Person(
            seed=str(seed),
            body=body,
            pose=_pose(rng),
            looks=_looks(rng, woman),
            backdrop=_backdrop(rng),
            framing=framing,
            zoom=rng.uniform(0.96, 1.06),
            offset=(rng.uniform(-2.5, 2.5), rng.uniform(-1.5, 1.5)),
        )


def _body(rng: random.Random, woman: float) -> Body:
    size = rng.gauss(0.0, 1.0)
    size = max(-1.6, min(1.9, size))
    shoulder = 20.6 - 2.6 * woman + 0.5 * size + rng.uniform(-0.5, 0.5)
    chest = 17.2 - 1.7 * woman + 1.0 * size
    waist = 14.6 - 2.0 * woman + 1.4 * size + rng.uniform(-0.4, 0.4)
    hip = 16.4 + 1.0 * woman + 0.9 * size + rng.uniform(-0.3, 0.5)
    return Body(
        neck=6.2 - 1.0 * woman + 0.15 * size,
        shoulder=shoulder,
        chest=min(chest, shoulder - 1.2),
        waist=waist,
        hip=hip,
        bust=max(0.0, woman - 0.35) * rng.uniform(0.8, 1.5),
        bulk=1.06 - 0.18 * woman + 0.06 * size,
        arm=56 - 3.0 * woman + rng.uniform(-1.0, 1.0),
        leg=84 + rng.uniform(-3.0, 3.0),
        head=rng.uniform(11.2, 12.2),
    )


def _pose(rng: random.Random) -> Pose:
    names = [rng.choices((*ARM_POSES[:4], "pocket"), (25, 27, 21, 12, 15))[0] for _ in range(2)]
    if rng.random() < 0.12:
        names = ["crossed", "crossed"]
    elif rng.random() < 0.35:
        names[1] = names[0]
    arms = []
    for name in names:
        low, high = {
            "down": ((7, 13), (-3, 6)),
            "relaxed": ((15, 28), (2, 18)),
            "hip": ((46, 55), (-60, -50)),
            "raised": ((92, 132), (158, 190)),
            "crossed": ((15, 19), (-104, -96)),
            "pocket": ((17, 24), (-22, -14)),
        }[name]
        arms.append((rng.uniform(*low), rng.uniform(*high)))
    if names[0] == "crossed":  # one forearm lies above the other
        arms[0] = (arms[0][0], arms[0][1] - 8)
        arms[1] = (arms[1][0], arms[1][1] + 10)
    legs = [(rng.uniform(0.5, 4.5), rng.uniform(-1.0, 2.5)) for _ in range(2)]
    if rng.random() < 0.4:  # the weight on one leg, the other set out
        legs[rng.randrange(2)] = (rng.uniform(7, 11), rng.uniform(0, 4))
    return Pose(
        name=tuple(names),
        arms=tuple(arms),
        hands=tuple(fore + (48 if name == "hip" else 0) for name, (_, fore) in zip(names, arms, strict=True)),
        legs=tuple(legs),
        lean=rng.uniform(-3.5, 3.5),
        head=rng.uniform(-6, 6),
        turn=rng.uniform(-0.5, 0.5),
    )


def _looks(rng: random.Random, woman: float) -> Looks:
    skin = jitter(rng, rng.choice(_SKIN), 6)
    dark = sum(skin) < 420
    hair = jitter(rng, rng.choice(_HAIR[:3] if dark else _HAIR), 8)
    weights = (1, 2, 6, 7, 4, 3, 4, 0) if woman > 0.5 else (9, 7, 1, 1, 1, 4, 1, 1.5)
    return Looks(
        skin=skin,
        hair=hair,
        hair_style=rng.choices(HAIR_STYLES, weights)[0],
        fringe=rng.random(),
        parting=rng.uniform(-1, 1),
        iris=rng.choice(_IRIS[:1] if dark else _IRIS),
        lips=tuple(0.55 * a + 0.45 * b for a, b in zip(rng.choice(_LIPS), skin, strict=True)),
        smile=rng.uniform(0.1, 1.0),
        brow=rng.uniform(-0.4, 0.6),
        jaw=rng.uniform(0.0, 0.5) + 0.5 * (1 - woman),
        beard=rng.choice((0, 0, 0.35, 0.7)) if woman < 0.35 else 0.0,
        shoes=jitter(rng, rng.choice(_SHOES), 8),
        undershirt=rng.choice(((246, 245, 242), (46, 46, 50), (206, 208, 212))),
    )


def _backdrop(rng: random.Random) -> Backdrop:
    hue = rng.choice(_WALL_HUES) + rng.uniform(-0.02, 0.02)
    wall = hsv(hue, rng.uniform(0.02, 0.24), rng.uniform(0.78, 0.97))
    if rng.random() < 0.12:
        wall = hsv(hue, rng.uniform(0.2, 0.45), rng.uniform(0.35, 0.6))
    second = hsv(hue + rng.choice((0.0, 0.04, 0.5)), rng.uniform(0.08, 0.34), rng.uniform(0.6, 0.9))
    return Backdrop(
        kind=rng.choices(("studio", "gradient", "room", "panel"), (3, 3, 2, 2))[0],
        wall=wall,
        second=second,
        horizon=rng.uniform(0.82, 0.9),
        place=rng.random(),
    )
