"""Automatic masks against the drawn wardrobe's exact ones: docs/masks.md's table, and docs/images/masks-wardrobe.jpg.

Run: python docs/masks_on_wardrobe.py [people per row]. The people are those of data set seed 0, split test.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from catvton import images, masks
from catvton.data.wardrobe import case
from catvton.masks.labels import DENSEPOSE, LIP

SIZE = (512, 384)
ROWS = (  # category, framing, preset for garments that are cut wider than the worn one
    ("upper", "upper", "long-top"),
    ("upper", "full", "long-top"),
    ("lower", "full", "wide-lower"),
    ("overall", "full", "dress"),
)
ONLY_AUTOMATIC, ONLY_EXACT, BOTH = (224, 24, 122), (0, 150, 200), (120, 90, 160)


def measure(category, framing, preset, index):
    """Shares in 0..1 of one person: intersection over union, garments covered, face and hands touched."""
    one = case(0, index, "test", category, framing)
    scene, truth = one.scene(SIZE), one.truth(one.other, SIZE)
    maps = {"atr": scene.atr, "lip": scene.lip, "densepose": scene.densepose}
    automatic = masks.agnostic(category, **maps)
    spared = masks.protected(automatic, masks.identity(**maps)) > 0
    wide = masks.preset_mask(preset, **maps) > 0
    exact, automatic = np.asarray(scene.agnostic_mask(category)) > 0, automatic > 0
    worn, other = scene.garment_area(one.garment), truth.garment_area(one.other)
    kept = np.isin(scene.lip, LIP["face"]) | np.isin(scene.densepose, DENSEPOSE["hands"])
    return {
        "IoU": (automatic & exact).sum() / (automatic | exact).sum(),
        "worn garment": (automatic & worn).sum() / worn.sum(),
        "another garment": (automatic & other).sum() / other.sum(),
        "same, preset for wide ones": (wide & other).sum() / other.sum(),
        "face and hands": (automatic & kept).sum() / kept.sum(),
        "same, identity protected": (spared & kept).sum() / kept.sum(),
    }


def table(people):
    """Markdown: mean over the people, and the worst of them."""
    lines = []
    for category, framing, preset in ROWS:
        found = [measure(category, framing, preset, index) for index in range(people)]
        if not lines:
            lines += ["| category | picture | " + " | ".join(found[0]) + " |", "|---" * (2 + len(found[0])) + "|"]
        cells = []
        for name in found[0]:
            shares = [each[name] for each in found]
            is_harm = name in ("face and hands", "same, identity protected")
            cells.append(
                f"{np.mean(shares):.1%} ({'max' if is_harm else 'min'} {(max if is_harm else min)(shares):.1%})"
            )
        lines.append(f"| {category} | {'waist up' if framing == 'upper' else 'whole'} | {' | '.join(cells)} |")
    return "\n".join(lines)


def picture(people=6):
    """The people of each row with both masks laid over."""
    height, width = (side * 5 // 8 for side in SIZE)
    sheet = Image.new("RGB", (people * width, len(ROWS) * height + 24), "white")
    for row, (category, framing, _) in enumerate(ROWS):
        for index in range(people):
            scene = case(0, index, "test", category, framing).scene(SIZE)
            automatic = masks.agnostic(category, scene.atr, scene.lip, scene.densepose) > 0
            exact = np.asarray(scene.agnostic_mask(category)) > 0
            shown = np.asarray(scene.image, np.float32).copy()
            for area, colour in (
                (automatic & exact, BOTH), (automatic & ~exact, ONLY_AUTOMATIC), (exact & ~automatic, ONLY_EXACT),
            ):  # fmt: skip
                shown[area] = 0.4 * shown[area] + 0.6 * np.array(colour, np.float32)
            small = Image.fromarray(shown.astype(np.uint8)).resize((width, height), Image.Resampling.LANCZOS)
            sheet.paste(small, (index * width, row * height))
    draw = ImageDraw.Draw(sheet)
    for i, (text, colour) in enumerate(
        (("both masks", BOTH), ("automatic only", ONLY_AUTOMATIC), ("exact only", ONLY_EXACT))
    ):
        draw.rectangle((12 + 180 * i, sheet.height - 18, 24 + 180 * i, sheet.height - 6), fill=colour)
        draw.text((32 + 180 * i, sheet.height - 18), text, fill="black")
    return sheet


if __name__ == "__main__":
    print(table(int(sys.argv[1]) if len(sys.argv) > 1 else 40))
    images.save_picture(picture(), Path(__file__).parent / "images" / "masks-wardrobe.jpg")
