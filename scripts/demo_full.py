"""One try-on at the published size, from nothing: what `make demo-full` runs.

The network has CatVTON's full size, 899 M parameters, but its weights are random: it shows that the engine installs,
loads and runs, and how fast; not what CatVTON can do. `make demo` shows a small trained model; for real pictures, load
published weights (README, "Where files go").
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from tqdm import tqdm

import catvton
from catvton.data import wardrobe

ROOT = Path(__file__).resolve().parent.parent
HEIGHT, WIDTH = 512, 384
GAP = 12


def draw_pictures(height: int, width: int) -> tuple[Image.Image, Image.Image, Image.Image]:
    """A drawn person, another garment for the same part of the body, and the mask of where it goes."""
    person, outfit = wardrobe.Person.sample(7), wardrobe.Outfit.sample(7)
    garment = wardrobe.Garment.sample(8, category="upper")
    scene = wardrobe.draw(person, outfit, size=(height, width))
    return scene.image, garment.flat((height, width)), scene.agnostic_mask(outfit.mask_category(garment))


def side_by_side(pictures: list[Image.Image], height: int) -> Image.Image:
    resized = [p.convert("RGB").resize((round(p.width * height / p.height), height)) for p in pictures]
    sheet = Image.new("RGB", (sum(p.width for p in resized) + GAP * (len(resized) + 1), height + 2 * GAP), "white")
    left = GAP
    for picture in resized:
        sheet.paste(picture, (left, GAP))
        left += picture.width + GAP
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--weights", type=Path, default=ROOT / "build" / "demo" / "weights")
    parser.add_argument("--out", type=Path, default=ROOT / "output" / "demo-full.png")
    arguments = parser.parse_args()

    make_weights = [sys.executable, str(ROOT / "tests" / "synthetic_weights.py"), str(arguments.weights)]
    subprocess.run(make_weights, check=True)
    person, garment, mask = draw_pictures(1024, 768)

    began = time.perf_counter()
    tryon = catvton.TryOn.load(arguments.weights, dtype=arguments.dtype)
    loaded = time.perf_counter()
    with tqdm(total=arguments.steps, desc=f"try-on at {HEIGHT}x{WIDTH}", unit="step") as bar:
        result = tryon(
            person,
            garment,
            mask,
            steps=arguments.steps,
            height=HEIGHT,
            width=WIDTH,
            seed=42,
            callback=lambda *_: bar.update(),
        )
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    side_by_side([person, mask, garment, result.pil], HEIGHT).save(arguments.out)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # kB -> GB

    print(f"picture:  {arguments.out}  (person, mask, garment, result)")
    print(f"time:     {loaded - began:.1f} s loading, {result.seconds:.1f} s for the try-on ({arguments.steps} steps)")
    print(f"memory:   {peak:.2f} GB at its peak ({arguments.dtype}, {tryon.device})")
    print("These weights are UNTRAINED: the painted area is noise by design. README tells where published weights go.")


if __name__ == "__main__":
    main()
