"""Garments tried on by people that the built-in model has never seen, in one picture: what `make demo` runs.

People and garments are drawn, so what each result should look like is known and stands beside it. They are held out: of
the split "test", which shares no person and no garment with what the model was trained on.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from catvton import TryOn, memory
from catvton.cli.table import gib
from catvton.data import wardrobe
from catvton.images import save_picture

ROOT = Path(__file__).resolve().parent.parent
CATEGORIES = ("upper", "upper", "lower", "upper", "overall", "upper")  # row by row, then from the start
COLUMNS = ("person", "mask", "garment", "result", "truth")
GAP, ENLARGED = 6, 2


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", default="demo", help="another folder of models; default the built-in one")
    parser.add_argument("--people", type=int, default=6, help="rows of the picture; default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="which people and garments; default %(default)s")
    parser.add_argument("--steps", type=int, default=20, help="default %(default)s")
    parser.add_argument("--guidance", type=float, default=1.5, help="default %(default)s")
    parser.add_argument("--out", type=Path, default=ROOT / "output" / "demo.png", help="default %(default)s")
    args = parser.parse_args()
    if args.people < 1:
        parser.error(f"--people must be 1 or more, got {args.people}")

    began = time.perf_counter()
    try:
        tryon = TryOn.load(args.models)
    except FileNotFoundError as error:
        print(f"{error}\n`make demo-full` runs the published size with made-up weights.", file=sys.stderr)
        return 2
    loaded = time.perf_counter()
    size = tryon.native_size
    rows, seconds = [], 0.0
    with tqdm(total=args.people * args.steps, desc=f"{args.people} try-ons at {size[0]}x{size[1]}", unit="step") as bar:
        for index in range(args.people):
            case = wardrobe.case(args.seed, index, "test", CATEGORIES[index % len(CATEGORIES)])
            scene, garment = case.scene(size), case.other.flat(size)
            mask = scene.agnostic_mask(case.outfit.mask_category(case.other))
            options = {"steps": args.steps, "guidance": args.guidance, "seed": index}
            result = tryon(scene.image, garment, mask, **options, callback=lambda *_: bar.update())
            seconds += result.seconds
            rows.append([scene.image, mask, garment, result.pil, case.truth(case.other, size).image])
    save_picture(sheet(rows), args.out)

    print(f"picture:  {args.out}  ({', '.join(COLUMNS)})")
    print(f"time:     {loaded - began:.1f} s loading, {seconds:.1f} s for {args.people} try-ons of {args.steps} steps")
    print(f"memory:   {gib(memory.peak_resident() or 0)} at its peak ({tryon.dtype}, {tryon.device})")
    return 0


def sheet(rows: list[list[Image.Image]]) -> Image.Image:
    """Rows of pictures of one size below the names of the columns, enlarged."""
    width, height = (ENLARGED * edge for edge in rows[0][0].size)
    head = 26
    whole = Image.new("RGB", (len(COLUMNS) * (width + GAP) + GAP, head + len(rows) * (height + GAP)), "white")
    pen, font = ImageDraw.Draw(whole), ImageFont.load_default(size=16)
    for column, name in enumerate(COLUMNS):
        left = GAP + column * (width + GAP)
        pen.text((left + width / 2, head / 2), name, fill="black", font=font, anchor="mm")
        for row, pictures in enumerate(rows):
            picture = pictures[column].convert("RGB")
            whole.paste(picture.resize((width, height), Image.Resampling.BICUBIC), (left, head + row * (height + GAP)))
    return whole


if __name__ == "__main__":
    sys.exit(main())
