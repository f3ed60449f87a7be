"""The drawn wardrobe: people and garments from seeds, with the exact truth of any person in any garment.

    person, outfit = Person.sample(7), Outfit.sample(7)
    garment = Garment.sample(8, category="upper")
    before, truth = draw(person, outfit), draw(person, outfit.replace(garment))
    mask = before.agnostic_mask(outfit.mask_category(garment))

Needs Pillow and numpy only.
"""

from .cases import Case, case
from .fabric import FABRICS, Fabric
from .garment import CATEGORIES, KINDS, Garment, Outfit
from .person import FRAMINGS, Person
from .scene import Scene, draw

__all__ = [
    "CATEGORIES",
    "FABRICS",
    "FRAMINGS",
    "KINDS",
    "Case",
    "Fabric",
    "Garment",
    "Outfit",
    "Person",
    "Scene",
    "case",
    "draw",
]
