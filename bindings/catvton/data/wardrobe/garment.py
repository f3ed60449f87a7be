"""Garments and outfits: what is worn, drawn from a seed and free of any person."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from PIL import Image

from .fabric import Fabric
from .person import stream

CATEGORIES = ("upper", "lower", "overall")
CATEGORY = {
    "t-shirt": "upper",
    "long-sleeve": "upper",
    "tank-top": "upper",
    "shirt": "upper",
    "jacket": "upper",
    "trousers": "lower",
    "shorts": "lower",
    "skirt": "lower",
    "dress": "overall",
}
KINDS = tuple(CATEGORY)


@dataclass(frozen=True)
class Cut:
    """The pattern a garment is cut to; lengths in cm, `ease` is what it is wider than the body on either side."""

    neck: str = "round"  # "round", "v", "boat", "square", "collar", "lapel"
    neck_depth: float = 8.0
    neck_width: float = 1.5  # beyond the neck
    sleeve: float = 0.28  # 0 none .. 1 to the wrist
    sleeve_ease: float = 1.2
    ease: float = 1.2
    waist_ease: float = 2.5
    hem: float = 60.0  # below the collar bones
    tucked: bool = False
    leg: float = 1.0  # 0 crotch .. 1 ankle
    leg_ease: float = 1.5
    flare: float = 0.0  # extra half-width at a skirt's hem, or of a leg's
    pleats: int = 0
    closing: str = "none"  # "none", "buttons", "zip"
    trim: bool = False  # collar band, cuffs and waistband in the second colour
    pockets: bool = False


@dataclass(frozen=True)
class Garment:
    seed: str
    kind: str
    fabric: Fabric
    cut: Cut

    @property
    def category(self) -> str:
        """The agnostic mask it needs: "upper", "lower" or "overall"."""
        return CATEGORY[self.kind]

    @staticmethod
    def sample(seed, kind: str | None = None, fabric: str | None = None, category: str | None = None) -> Garment:
        """The garment of `seed`, optionally of a given kind (of `KINDS`), fabric (of `FABRICS`) or category."""
        if kind is not None and kind not in KINDS:
            raise ValueError(f"garment kind {kind!r}: expected one of {', '.join(KINDS)}")
        if category is not None and category not in CATEGORIES:
            raise ValueError(f"category {category!r}: expected one of {', '.join(CATEGORIES)}")
        if kind and category and CATEGORY[kind] != category:
            raise ValueError(f"garment kind {kind!r} is of category {CATEGORY[kind]!r}, not {category!r}")
        rng = stream("garment", seed)
        chosen = rng.choice([k for k in KINDS if category is None or CATEGORY[k] == category])
        kind = kind or chosen
        cloth = Fabric.sample(rng, fabric, bottom=CATEGORY[kind] == "lower")
        cut = _cut(rng, kind)
        if cut.tucked:  # shorter, so that the flat picture tells how it will be worn
            cut = replace(cut, hem=rng.uniform(46, 50))
        return Garment(str(seed), kind, cloth, cut)

    def flat(self, size: tuple[int, int] = (256, 192)) -> Image.Image:
        """The garment laid flat on white: RGB of `size` (height, width)."""
        from .flat import draw_flat

        return draw_flat(self, size)[0]

    def flat_mask(self, size: tuple[int, int] = (256, 192)) -> Image.Image:
        """Where the flat picture shows the garment: L, 0 or 255."""
        from .flat import draw_flat

        return draw_flat(self, size)[1]


@dataclass(frozen=True)
class Outfit:
    """A top and a bottom, or a dress worn instead of both."""

    top: Garment
    bottom: Garment
    dress: Garment | None = None

    def __post_init__(self):
        for garment, wanted in ((self.top, "upper"), (self.bottom, "lower"), (self.dress, "overall")):
            if garment is not None and garment.category != wanted:
                raise ValueError(f"a {garment.kind} cannot be the {wanted} garment of an outfit")

    @staticmethod
    def sample(seed, category: str = "upper") -> Outfit:
        """What a person may wear; of category "overall": a dress (over a spare top and bottom), else top and bottom."""
        if category not in CATEGORIES:
            raise ValueError(f"category {category!r}: expected one of {', '.join(CATEGORIES)}")
        top = Garment.sample(f"{seed}/top", category="upper")
        bottom = Garment.sample(f"{seed}/bottom", category="lower")
        return Outfit(
            top, bottom, Garment.sample(f"{seed}/dress", category="overall") if category == "overall" else None
        )

    @property
    def worn(self) -> tuple[Garment, ...]:
        return (self.dress,) if self.dress else (self.bottom, self.top)

    def replace(self, garment: Garment) -> Outfit:
        """The outfit with `garment` put on; a top or bottom also takes a dress off."""
        slot = {"upper": "top", "lower": "bottom", "overall": "dress"}[garment.category]
        return replace(self, **({"dress": None} | {slot: garment}))

    def mask_category(self, garment: Garment) -> str:
        """The mask within which `replace(garment)` changes the picture: "overall" where a dress comes or goes."""
        return "overall" if self.dress else garment.category


def _cut(rng: random.Random, kind: str) -> Cut:
    loose = rng.random()
    ease, waist_ease = 0.7 + 1.6 * loose, 1.0 + 3.0 * loose
    hem = rng.uniform(57, 64)
    trim = rng.random() < 0.22
    if kind == "t-shirt":
        return Cut(
            rng.choice(("round", "round", "v", "boat")), rng.uniform(6, 10), rng.uniform(1.2, 3.0),
            rng.uniform(0.22, 0.34), 1.0 + 1.2 * loose, ease, waist_ease, hem, rng.random() < 0.25, trim=trim,
        )  # fmt: skip
    if kind == "long-sleeve":
        return Cut(
            rng.choice(("round", "round", "v", "boat")), rng.uniform(5, 9), rng.uniform(1.0, 3.0),
            rng.choice((0.72, 1.0, 1.0)), 0.7 + 1.3 * loose, ease, waist_ease, hem, rng.random() < 0.2, trim=trim,
        )  # fmt: skip
    if kind == "tank-top":
        return Cut(
            rng.choice(("round", "v", "square")), rng.uniform(10, 14), rng.uniform(2.6, 4.2), 0.0, 0.0,
            0.4 + loose, 0.6 + 2.4 * loose, hem, rng.random() < 0.35, trim=trim,
        )  # fmt: skip
    if kind == "shirt":
        return Cut(
            "collar", rng.uniform(8, 12), 0.8, rng.choice((0.3, 1.0, 1.0)), 1.2 + 0.9 * loose, 1.0 + 1.2 * loose,
            2.0 + 2.6 * loose, hem, rng.random() < 0.35, closing="buttons", pockets=rng.random() < 0.5,
        )  # fmt: skip
    if kind == "jacket":
        return Cut(
            rng.choice(("lapel", "collar")), rng.uniform(18, 27), 1.2, 1.0, 1.8 + 0.8 * loose, 2.0 + 1.0 * loose,
            3.5 + 2.0 * loose, rng.uniform(60, 66), closing=rng.choice(("buttons", "zip")), pockets=True, trim=trim,
        )  # fmt: skip
    if kind == "trousers":
        return Cut(
            leg=rng.uniform(0.92, 1.0),
            leg_ease=rng.uniform(0.4, 2.2),
            flare=rng.choice((0.0, 0.0, 1.5, 3.0)),
            pockets=True,
        )
    if kind == "shorts":
        return Cut(
            leg=rng.uniform(0.22, 0.46), leg_ease=rng.uniform(1.0, 2.4), flare=rng.uniform(0.0, 1.2), pockets=True
        )
    pleats = rng.choice((0, 0, 7, 9, 11))
    if kind == "skirt":
        return Cut(hem=rng.uniform(84, 118), flare=rng.uniform(0.0, 9.0) + (2 if pleats else 0), pleats=pleats)
    return Cut(
        rng.choice(("round", "v", "boat", "square")), rng.uniform(8, 12), rng.uniform(2.2, 4.0),
        rng.choice((0.0, 0.0, 0.26, 0.3, 1.0)), 1.0 + 0.8 * loose, 0.6 + loose, 0.6 + 1.4 * loose, rng.uniform(92, 118),
        flare=rng.uniform(3.0, 10.0), pleats=pleats, trim=trim,
    )  # fmt: skip
