"""Draws example_inputs/: the pictures that the example workflows start from, all made up (catvton.data.wardrobe)."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

from catvton.data import wardrobe

OUT = Path(__file__).resolve().parent.parent / "example_inputs"
SIZE = (768, 576)  # height, width
UPPER, FULL = 14, 7  # indices of the cases, split "test"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=OUT, help="default %(default)s")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    case = wardrobe.case(0, UPPER, "test", "upper")
    scene = case.scene(SIZE)
    save(scene.image, out / "catvton_person.png")
    save(masked(scene.image, scene.agnostic_mask("upper")), out / "catvton_person_masked.png")
    for name, labels in (("atr", scene.atr), ("lip", scene.lip), ("densepose", scene.densepose)):
        save(Image.fromarray(labels.astype(np.uint8)), out / f"catvton_person_{name}.png")
    for number, index in enumerate((UPPER, 2, 4), 1):
        save(wardrobe.case(0, index, "test", "upper").other.flat(SIZE), out / f"catvton_top_{number}.png")
    save(wardrobe.case(0, 3, "test", "upper").scene(SIZE).image, out / "catvton_other_person.png")

    whole = wardrobe.case(0, FULL, "test", "lower")
    scene = whole.scene(SIZE)
    save(scene.image, out / "catvton_whole_person.png")
    for name, labels in (("atr", scene.atr), ("lip", scene.lip), ("densepose", scene.densepose)):
        save(Image.fromarray(labels.astype(np.uint8)), out / f"catvton_whole_person_{name}.png")
    save(whole.other.flat(SIZE), out / "catvton_trousers.png")
    print(f"{len(list(out.glob('*.png')))} pictures in {out}")


def masked(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """As ComfyUI's mask editor saves it: transparent where it was painted, the colours kept."""
    return Image.merge("RGBA", (*picture.convert("RGB").split(), mask.convert("L").point(lambda value: 255 - value)))


def save(picture: Image.Image, path: Path) -> None:
    picture.save(path, optimize=True)


if __name__ == "__main__":
    main()
