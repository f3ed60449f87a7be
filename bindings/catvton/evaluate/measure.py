"""The numbers of one try-on, and the means of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..train.samples import Sample
from ..train.sheets import pixels
from .learned import Learned
from .metrics import colour_difference, psnr, ssim, texture_agreement

MEASURES = ("ssim", "psnr", "lpips", "colour", "texture", "swap", "not_worn")


@dataclass(frozen=True)
class Numbers:
    """Of one case; None is what is not known.

    colour: CIEDE2000, and texture: `texture_agreement`, where the garment shows (in the mask where that is not known).
    swap: nearer to its truth than to the same person in another garment. not_worn: nearer to it than to the garment
    that the person wore. Both by colour inside the mask.
    """

    index: int
    fabric: str | None
    ssim: float | None = None
    psnr: float | None = None
    lpips: float | None = None
    colour: float | None = None
    texture: float | None = None
    swap: bool | None = None
    not_worn: bool | None = None


def measure(
    index: int, result: np.ndarray, case: Sample, fabric: str | None = None, learned: Learned | None = None
) -> Numbers:
    """result: uint8 [H, W, 3] of the case's size."""
    if "truth" not in case:
        return Numbers(index, fabric)
    truth, mask = pixels(case["truth"]), case["mask"].numpy()[0] > 0
    area = case["area"].numpy()[0] > 0 if "area" in case else mask
    area = area if area.any() else mask  # a garment that lies outside the picture

    def nearer_than(name: str) -> bool | None:
        if name not in case or np.array_equal(pixels(case[name])[mask], truth[mask]):
            return None
        return colour_difference(result, truth, mask) < colour_difference(result, pixels(case[name]), mask)

    return Numbers(
        index,
        fabric,
        ssim(result, truth),
        psnr(result, truth),
        learned and learned.lpips(result, truth),
        colour_difference(result, truth, area),
        texture_agreement(result, truth, area),
        nearer_than("swapped"),
        nearer_than("person"),
    )


def means(numbers: Sequence[Numbers], names: Sequence[str] = MEASURES) -> dict[str, float]:
    """Over the cases that have a value; an infinite PSNR (no difference) is left out of its mean."""
    found: dict[str, float] = {"cases": len(numbers)}
    for name in names:
        values = [getattr(one, name) for one in numbers]
        known = [float(value) for value in values if value is not None and np.isfinite(value)]
        if known:
            found[name] = round(float(np.mean(known)), 4)
    return found


def by_fabric(numbers: Sequence[Numbers]) -> dict[str, dict[str, float]]:
    """Colour and texture for each kind of cloth, in the order of their names."""
    kinds = sorted({one.fabric for one in numbers if one.fabric})
    return {kind: means([one for one in numbers if one.fabric == kind], ("colour", "texture")) for kind in kinds}
