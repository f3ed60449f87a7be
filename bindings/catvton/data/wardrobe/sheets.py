"""Contact sheets of the drawn wardrobe, as shown in the documentation: `python -m catvton.data.wardrobe.sheets DIR`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from . import labels as L
from .cases import case
from .garment import KINDS, Garment, Outfit
from .person import Person
from .scene import draw

_CELL = (256, 192)


def grid(pictures: list[Image.Image], columns: int, gap: int = 4) -> Image.Image:
    """Pictures of one size in rows of `columns`, on white."""
    width, height = pictures[0].size
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * (width + gap) - gap, rows * (height + gap) - gap), "white")
    for i, picture in enumerate(pictures):
        sheet.paste(picture, (i % columns * (width + gap), i // columns * (height + gap)))
    return sheet


def people() -> Image.Image:
    """Seven people waist-up, seven from head to foot."""
    near = [case(2, i, "test").scene(_CELL).image for i in (2, 14, 10, 16, 12, 17, 22)]
    far = [case(2, i, "test", "overall" if i % 3 == 0 else "lower").scene(_CELL).image for i in range(7)]
    return grid(near + far, 7)


def garments() -> Image.Image:
    """Every kind of garment, three times."""
    rows = [[Garment.sample(f"sheet/{row}/{kind}", kind) for kind in KINDS] for row in range(3)]
    return grid([garment.flat((208, 156)) for row in rows for garment in row], len(KINDS))


def one_in_many() -> Image.Image:
    """One person in seven garments of the seed list, each below its flat picture."""
    person, outfit = Person.sample("sheet/23"), Outfit.sample("sheet/2")
    tries = [Garment.sample(f"sheet/{i}", kind) for i, kind in enumerate(
        ("t-shirt", "shirt", "tank-top", "long-sleeve", "jacket", "dress", "dress"), 20)]  # fmt: skip
    return grid([g.flat(_CELL) for g in tries] + [draw(person, outfit.replace(g), _CELL).image for g in tries], 7)


def maps() -> Image.Image:
    """Picture, agnostic masks of the three categories, parsing and body map of one person."""
    scene = case(2, 8, "test", "lower").scene(_CELL)
    cells = [scene.image]
    for category in ("upper", "lower", "overall"):
        hidden = np.array(scene.image)
        hidden[np.asarray(scene.agnostic_mask(category)) > 0] = 128
        cells.append(Image.fromarray(hidden))
    colours = np.array(L.PALETTE, np.uint8).reshape(-1, 3)
    cells += [Image.fromarray(colours[labels]) for labels in (scene.atr, scene.lip, scene.densepose)]
    return grid(cells, 7)


SHEETS = {"people": people, "garments": garments, "truth": one_in_many, "maps": maps}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where to write wardrobe-<name>.jpg")
    folder = parser.parse_args(arguments).folder
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in SHEETS.items():
        make().save(folder / f"wardrobe-{name}.jpg", quality=82)
    return 0


if __name__ == "__main__":
    sys.exit(main())
