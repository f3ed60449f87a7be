"""Try-ons of held-out cases and what they are worth, case by case.

Results are kept as lossless pictures, and a run goes on where it was stopped; numbers are always computed from those.
"""

from __future__ import annotations

import csv
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from .._native import C
from ..atomic import replacing, write_json
from ..train.samples import Sample, Source
from ..train.sheets import pixels, try_on
from .metrics import colour_difference, psnr, ssim


@dataclass(frozen=True)
class Settings:
    """What results depend on besides the data; settings.json holds it, so that one folder has one kind of results."""

    model: str  # its weights' fingerprint
    data: str
    steps: int = 20
    guidance: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Case:
    """The numbers of one case.

    colour: CIEDE2000 where the garment shows (in the mask where that is not known). swap: nearer to its truth than to
    the same person in another garment. not_worn: nearer to it than to the garment that the person wore. Both by colour
    inside the mask; None where the data has no such picture.
    """

    index: int
    ssim: float
    psnr: float
    colour: float
    swap: bool | None
    not_worn: bool | None


def evaluate(
    unet: C.UNet, vae: C.VAE, scheduler: C.DDIMConfig, data: Source, out: str | Path, settings: Settings, progress=True
) -> dict[str, float]:
    """Runs or completes an evaluation in folder `out`; returns the means. Writes results/, cases.csv, metrics.json."""
    out = Path(out)
    _claim(out, settings)
    cases = []
    for index in tqdm(range(len(data)), desc="try-on", unit="case", disable=not progress):
        case = data.tryon_case(index)
        path = out / "results" / f"{index:05d}.png"
        if not path.is_file():
            options: dict[str, Any] = {"steps": settings.steps, "guidance": settings.guidance}
            picture = try_on(unet, vae, scheduler, case, seed=settings.seed + index, **options)
            with replacing(path) as temporary:
                Image.fromarray(picture).save(temporary)
        cases.append(measure(index, np.array(Image.open(path)), case))
    with replacing(out / "cases.csv") as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, asdict(cases[0]))
        rows.writeheader()
        rows.writerows(asdict(case) for case in cases)
    means = summary(cases)
    write_json(out / "metrics.json", {**asdict(settings), **means})
    return means


def measure(index: int, result: np.ndarray, case: Sample) -> Case:
    truth, mask = pixels(case["truth"]), case["mask"].numpy()[0] > 0
    area = case["area"].numpy()[0] > 0 if "area" in case else mask

    def nearer_than(name: str) -> bool | None:
        if name not in case or np.array_equal(pixels(case[name])[mask], truth[mask]):
            return None
        return colour_difference(result, truth, mask) < colour_difference(result, pixels(case[name]), mask)

    return Case(
        index,
        ssim(result, truth),
        psnr(result, truth),
        colour_difference(result, truth, area),
        nearer_than("swapped"),
        nearer_than("person"),
    )


def summary(cases: list[Case]) -> dict[str, float]:
    """Means over the cases that have a value; an infinite PSNR (no difference) is left out of its mean."""
    means: dict[str, float] = {"cases": len(cases)}
    for name in ("ssim", "psnr", "colour", "swap", "not_worn"):
        values = [getattr(case, name) for case in cases]
        known = [float(value) for value in values if value is not None and np.isfinite(value)]
        if known:
            means[name] = round(float(np.mean(known)), 4)
    return means


def table(means: dict[str, float]) -> str:
    return "\n".join(f"{name:9} {value:g}" for name, value in means.items())


def _claim(out: Path, settings: Settings) -> None:
    note = out / "settings.json"
    if not note.is_file():
        return write_json(note, asdict(settings))
    found = json.loads(note.read_text(encoding="utf-8"))
    other = [f"{k} was {found.get(k)!r}, is {v!r}" for k, v in asdict(settings).items() if found.get(k) != v]
    if other:
        raise ValueError(f"{out} holds results of other settings ({'; '.join(other)}): name another --out")
