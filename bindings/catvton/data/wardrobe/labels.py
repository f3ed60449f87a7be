"""Label numbers of the maps: SCHP's ATR (18) and LIP (20) human parsing, DensePose's 24 body parts.

Person's left is the picture's right. Sides are -1 (the picture's left, the person's right) and +1 (the person's left).
Neither parsing set has a label for bare chest and shoulders; here they belong to the arm of their side, and the neck
belongs to the face. Every map shows a front view, so of DensePose's paired parts only the front ones occur.
"""

from __future__ import annotations

ATR = [
    "background",
    "hat",
    "hair",
    "sunglasses",
    "upper-clothes",
    "skirt",
    "pants",
    "dress",
    "belt",
    "left-shoe",
    "right-shoe",
    "face",
    "left-leg",
    "right-leg",
    "left-arm",
    "right-arm",
    "bag",
    "scarf",
]
LIP = [
    "background",
    "hat",
    "hair",
    "glove",
    "sunglasses",
    "upper-clothes",
    "dress",
    "coat",
    "socks",
    "pants",
    "jumpsuits",
    "scarf",
    "skirt",
    "face",
    "left-arm",
    "right-arm",
    "left-leg",
    "right-leg",
    "left-shoe",
    "right-shoe",
]


def both(atr: str, lip: str | None = None) -> tuple[int, int]:
    """(ATR, LIP) numbers of a name; `lip` where the two sets name it differently."""
    return ATR.index(atr), LIP.index(lip or atr)


def _sided(name: str) -> dict[int, tuple[int, int]]:
    return {-1: both(f"right-{name}"), 1: both(f"left-{name}")}


BACKGROUND, HAIR, FACE = both("background"), both("hair"), both("face")
UNDERSHIRT = both("upper-clothes")
ARM, LEG, SHOE = _sided("arm"), _sided("leg"), _sided("shoe")
GARMENT = {
    "t-shirt": both("upper-clothes"),
    "long-sleeve": both("upper-clothes"),
    "tank-top": both("upper-clothes"),
    "shirt": both("upper-clothes"),
    "jacket": both("upper-clothes", "coat"),
    "trousers": both("pants"),
    "shorts": both("pants"),
    "skirt": both("skirt"),
    "dress": both("dress"),
}

# DensePose, front view: {side: part}
DENSE_TORSO = 2
DENSE_HAND = {-1: 3, 1: 4}
DENSE_FOOT = {-1: 5, 1: 6}
DENSE_THIGH = {-1: 9, 1: 10}
DENSE_LEG = {-1: 13, 1: 14}
DENSE_UPPER_ARM = {-1: 18, 1: 17}
DENSE_FOREARM = {-1: 22, 1: 21}
DENSE_FACE = {-1: 23, 1: 24}


def _palette(names: int) -> list[int]:
    """PASCAL VOC's colour per label (bit-reversed), flat RGB for Pillow's palette mode."""
    colours = []
    for label in range(names):
        rgb = [0, 0, 0]
        for bit in range(8):
            for channel in range(3):
                rgb[channel] |= (label >> (3 * bit + channel) & 1) << (7 - bit)
        colours += rgb
    return colours


PALETTE = _palette(25)
