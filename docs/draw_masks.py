"""Draws docs/masks.png: what every category and preset paints on a drawn person. Run: python docs/draw_masks.py"""

import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from catvton import images, masks
from catvton.masks.labels import ATR, DENSEPOSE, LIP

SIZE = (240, 400)
SKIN, SHIRT, TROUSERS, HAIR, SHOES = "#d9a37c", "#5b7fa6", "#4a4d57", "#3a2a22", "#23252b"


def person():
    """The picture and its three label maps, drawn limb by limb: colour, ATR part, LIP part, DensePose part."""
    picture = Image.new("RGB", SIZE, "#e9e6e1")
    maps = {name: Image.new("L", SIZE, 0) for name in ("atr", "lip", "densepose")}
    tables = {"atr": ATR, "lip": LIP, "densepose": DENSEPOSE}

    def draw(shape, outline, colour, **parts):
        getattr(ImageDraw.Draw(picture), shape)(outline, fill=colour)
        for name, part in parts.items():
            getattr(ImageDraw.Draw(maps[name]), shape)(outline, fill=tables[name][part][0])

    def both(part):
        return {"atr": part, "lip": part}

    for mirror in (lambda x: x, lambda x: SIZE[0] - 1 - x):

        def limb(shape, points, colour, mirror=mirror, **parts):
            moved = [(mirror(x), y) for x, y in points]
            if shape == "ellipse":
                moved = [(min(x for x, _ in moved), points[0][1]), (max(x for x, _ in moved), points[1][1])]
            draw(shape, moved, colour, **parts)

        limb("polygon", [(88, 205), (119, 205), (116, 350), (94, 350)], TROUSERS, densepose="thighs", **both("pants"))
        limb("ellipse", [(84, 344), (116, 366)], SHOES, densepose="feet", **both("shoes"))
        limb("polygon", [(62, 138), (80, 142), (66, 208), (52, 204)], SKIN, densepose="forearms", **both("arms"))
        limb("ellipse", [(46, 200), (68, 226)], SKIN, densepose="hands", **both("arms"))
        limb(
            "polygon",
            [(84, 86), (96, 100), (82, 144), (58, 138)],
            SHIRT,
            densepose="upper arms",
            **both("upper-clothes"),
        )
    draw("polygon", [(88, 84), (152, 84), (153, 212), (87, 212)], SHIRT, densepose="torso", **both("upper-clothes"))
    draw("ellipse", [(96, 12), (144, 66)], HAIR, **both("hair"))
    draw("polygon", [(110, 60), (130, 60), (132, 88), (108, 88)], SKIN, densepose="torso", **both("face"))
    draw("ellipse", [(102, 22), (138, 72)], SKIN, densepose="face", **both("face"))
    dense = np.array(maps["densepose"])
    thighs = dense == DENSEPOSE["thighs"][0]
    dense[thighs & (np.arange(SIZE[1])[:, None] > 280)] = DENSEPOSE["lower legs"][0]
    return picture, {"atr": np.array(maps["atr"]), "lip": np.array(maps["lip"]), "densepose": dense}


def main():
    warnings.simplefilter("error")  # all three maps are given: nothing is lost
    picture, maps = person()
    columns, caption = 5, 22
    rows = -(-len(masks.PRESETS) // columns)
    sheet = Image.new("RGB", (columns * SIZE[0], rows * (SIZE[1] + caption)), "white")
    for i, name in enumerate(masks.PRESETS):
        x, y = i % columns * SIZE[0], i // columns * (SIZE[1] + caption)
        sheet.paste(masks.preview(picture, masks.preset_mask(name, **maps)), (x, y + caption))
        ImageDraw.Draw(sheet).text((x + 8, y + 4), name, fill="black")
    images.save_picture(sheet.quantize(64), Path(__file__).with_name("masks.png"))


if __name__ == "__main__":
    main()
