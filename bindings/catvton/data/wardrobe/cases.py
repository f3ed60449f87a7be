"""Cases for training and tests: a person, what it wears, and another garment, all a function of (seed, split, index).

The key of every random stream contains the seed, the split and the index as text, so two cases share nothing unless all
three agree: held-out cases are those of another seed or of split "test", whatever was trained on.
"""

from __future__ import annotations

from dataclasses import dataclass

from .garment import CATEGORIES, Garment, Outfit
from .person import Person
from .scene import Scene, draw

SPLITS = ("train", "test")
FRAMING = {"upper": "upper", "lower": "full", "overall": "full"}


@dataclass(frozen=True)
class Case:
    """person wears outfit, of which `garment` is the piece in question; `other` is one like it to try on."""

    category: str
    person: Person
    outfit: Outfit
    garment: Garment
    other: Garment

    def scene(self, size: tuple[int, int] = (256, 192)) -> Scene:
        return draw(self.person, self.outfit, size)

    def truth(self, garment: Garment, size: tuple[int, int] = (256, 192)) -> Scene:
        """The same person, pose and backdrop, wearing `garment`."""
        return draw(self.person, self.outfit.replace(garment), size)


def case(seed: int, index: int, split: str = "train", category: str = "upper", framing: str | None = None) -> Case:
    """Case `index` of (seed, split). framing: of `FRAMINGS`; None: waist-up for "upper", else the whole person."""
    if split not in SPLITS:
        raise ValueError(f"split {split!r}: expected one of {', '.join(SPLITS)}")
    if category not in CATEGORIES:
        raise ValueError(f"category {category!r}: expected one of {', '.join(CATEGORIES)}")
    if index < 0:
        raise ValueError(f"index {index}: expected 0 or more")
    key = f"{seed}/{split}/{category}/{index}"
    person = Person.sample(key, framing or FRAMING[category])
    outfit = Outfit.sample(key, category)
    garment = {"upper": outfit.top, "lower": outfit.bottom, "overall": outfit.dress}[category]
    return Case(category, person, outfit, garment, Garment.sample(f"{key}/other", category=category))
