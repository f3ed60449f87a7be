"""Try-ons of held-out cases and what they are worth, case by case.

The model's own pictures are kept, lossless, and a run goes on where it was stopped; numbers are always computed from
those, with and without the person's own pixels pasted back outside the mask.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from .._native import C
from ..atomic import replacing, write_json
from ..presets import Sampling, as_json
from ..train.sheets import masked, paint, paste, pixels, write_sheet
from ..train.tryon_task import fingerprint
from ..tryon import TryOn
from .cases import Cases
from .learned import Distance, Learned
from .measure import Numbers, by_fabric, means, measure

PICTURES = ("pasted_back", "own_picture")


@dataclass(frozen=True)
class Settings:
    """What results depend on; a settings.json beside them holds it, so that one folder has one kind of results."""

    model: str  # its weights' fingerprint
    data: str
    sampling: Sampling
    seed: int = 0  # of the first case; each later one has the next

    def as_json(self) -> dict[str, Any]:
        return {"model": self.model, "data": self.data, **as_json(self.sampling), "seed": self.seed}


def evaluate(
    model: TryOn,
    held_out: Sequence[Cases],
    out: str | Path,
    *,
    sampling: Sampling,
    seed: int = 0,
    learned: Learned | None = None,
    grid: int = 0,
    grid_seed: int = 0,
    progress: bool = True,
) -> dict[str, Any]:
    """Runs or completes an evaluation of a masked model in folder `out`; returns what metrics.json holds.

    held_out: the sets to try, one of each pairing. learned: for LPIPS, FID and KID; None leaves them out.
    grid: of how many cases of the first set, drawn by `grid_seed` and not chosen, grid.png shows the pictures.

    Writes `<pairing>/results/*.png` and `<pairing>/cases.csv`, metrics.json and grid.png.
    Raises ValueError where `out` holds results of other settings.
    """
    out = Path(out)
    if not 0 <= grid <= len(held_out[0]):
        raise ValueError(f"a grid of {grid} of {len(held_out[0])} cases")
    key = model_key(model)
    C.check_options(model.scheduler, **sampling.options())
    report: dict[str, Any] = {"model": key, **as_json(sampling), "seed": seed}
    report["cases"] = sum(len(cases) for cases in held_out)
    for cases in held_out:
        folder = out / cases.pairing
        _claim(folder, Settings(key, cases.key, sampling, seed))
        for index in tqdm(range(len(cases)), desc=f"{cases.pairing} try-ons", unit="case", disable=not progress):
            path = _place(folder, index)
            if not path.is_file():
                options = sampling.options() | {"seed": seed + index}
                picture = paint(model.unet, model.vae, model.scheduler, cases[index], **options)
                with replacing(path) as temporary:
                    Image.fromarray(picture).save(temporary)
        report[cases.pairing] = _numbers(cases, folder, learned, progress)
    report["left_out"] = learned.left_out if learned else {}
    if grid:
        indices = sorted(random.Random(grid_seed).sample(range(len(held_out[0])), grid))
        report["grid"] = {"pairing": held_out[0].pairing, "seed": grid_seed, "cases": indices}
        write_sheet([_row(held_out[0], out, index) for index in indices], out / "grid.png")
    write_json(out / "metrics.json", report)
    return report


def model_key(model: TryOn) -> str:
    """Tells models apart by their weights."""
    weights = {f"vae.{name}": weight for name, weight in model.vae.parameters.items()} | model.unet.parameters
    return fingerprint(weights)


def _numbers(cases: Cases, folder: Path, learned: Learned | None, progress: bool) -> dict[str, Any]:
    """Of one set, from its kept pictures: the means for each of PICTURES, and by fabric where that is known."""
    numbers: dict[str, list[Numbers]] = {name: [] for name in PICTURES}
    distances = {name: Distance() for name in PICTURES}
    for index in tqdm(range(len(cases)), desc=f"{cases.pairing} numbers", unit="case", disable=not progress):
        case, own = cases[index], np.array(Image.open(_place(folder, index)))
        # Where a person is not known in the garment, FID and KID still compare with pictures of persons.
        truth = learned and learned.features(pixels(case.get("truth", case["person"])))
        for name, picture in zip(PICTURES, (paste(own, case), own), strict=True):
            numbers[name].append(measure(index, picture, case, cases.fabric(index), learned))
            if truth is not None:
                distances[name].add(learned.features(picture), truth)
    with replacing(folder / "cases.csv") as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        rows = csv.DictWriter(file, ["picture", *(field.name for field in fields(Numbers))])
        rows.writeheader()
        rows.writerows({"picture": name, **asdict(one)} for name, ones in numbers.items() for one in ones)
    found: dict[str, Any] = {name: means(ones) for name, ones in numbers.items()}
    if learned:
        for name, distance in distances.items():
            found[name] |= distance.result()
    if kinds := by_fabric(numbers["pasted_back"]):
        found["by_fabric"] = kinds
    return found


def _row(cases: Cases, out: Path, index: int) -> list[np.ndarray]:
    """Person, what is masked, garment, try-on pasted back, truth (where it is known)."""
    case = cases[index]
    result = paste(np.array(Image.open(_place(out / cases.pairing, index))), case)
    row = [pixels(case["person"]), masked(case), pixels(case["garment"]), result]
    return [*row, pixels(case["truth"])] if "truth" in case else row


def _place(folder: Path, index: int) -> Path:
    return folder / "results" / f"{index:05d}.png"


def _claim(folder: Path, settings: Settings) -> None:
    note = folder / "settings.json"
    if not note.is_file():
        return write_json(note, settings.as_json())
    # A folder of an older version names fewer options: the others were off.
    found = as_json(Sampling()) | json.loads(note.read_text(encoding="utf-8"))
    other = [f"{k} was {found.get(k)!r}, is {v!r}" for k, v in settings.as_json().items() if found.get(k) != v]
    if other:
        raise ValueError(f"{folder} holds results of other settings ({'; '.join(other)}): name another --out")
