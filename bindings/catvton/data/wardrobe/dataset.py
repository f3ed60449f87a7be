"""The drawn wardrobe on disk, in the folder layouts of VITON-HD and DressCode.

VITON-HD: <split>/{image, cloth, cloth-mask, agnostic-mask, image-parse-v3, image-densepose}, pairs lists beside it.
DressCode: {upper_body, lower_body, dresses}/{images, label_maps, dense, agnostic_masks, cloth_mask}, pairs lists
inside. Beyond what real sets have: `image-parse-atr` (VITON-HD) or `label_maps_lip` (DressCode), and `truth`, the true
picture of each person in the garment that the unpaired list gives it.

Every file is written under a temporary name and renamed; a sample whose files are all there is not drawn again, so a
writer that was stopped goes on where it was. Pairs lists come last.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from . import labels as L
from .cases import SPLITS, case
from .figure import check_size
from .flat import draw_flat

LAYOUTS = ("viton-hd", "dresscode")
DRESSCODE_FOLDER = {"upper": "upper_body", "lower": "lower_body", "overall": "dresses"}
LIMIT = 100_000  # what the file names' digits hold, per split and category
_JPEG = {"quality": 97, "subsampling": 0}


@dataclass(frozen=True)
class Job:
    """What to write. count: samples (for DressCode: in each of its three folders). size: (height, width)."""

    out: str
    count: int
    size: tuple[int, int] = (256, 192)
    layout: str = "viton-hd"
    seed: int = 0
    split: str = "test"

    def __post_init__(self):
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout {self.layout!r}: expected one of {', '.join(LAYOUTS)}")
        if self.split not in SPLITS:
            raise ValueError(f"split {self.split!r}: expected one of {', '.join(SPLITS)}")
        if not 1 <= self.count <= LIMIT:
            raise ValueError(
                f"count {self.count}: expected 1 to {LIMIT}, which is what the layouts' file names can number"
            )
        object.__setattr__(self, "size", check_size(self.size))

    @property
    def categories(self) -> tuple[str, ...]:
        return ("upper",) if self.layout == "viton-hd" else tuple(DRESSCODE_FOLDER)

    def partner(self, index: int) -> int:
        """The index of the garment that person `index` tries on in the unpaired list."""
        return (index + 1) % self.count

    def names(self, category: str, index: int) -> tuple[str, str]:
        """File names of a person's and its garment's pictures."""
        if self.layout == "viton-hd":
            return (f"{index:05d}_00.jpg",) * 2
        number = index + LIMIT * (tuple(DRESSCODE_FOLDER).index(category) + 3 * SPLITS.index(self.split))
        return f"{number:06d}_0.jpg", f"{number:06d}_1.jpg"

    def paths(self, category: str, index: int) -> dict[str, Path]:
        """Where each picture and map of a sample belongs."""
        person, cloth = self.names(category, index)
        stem = person.removesuffix(".jpg")
        if self.layout == "viton-hd":
            folder = Path(self.out) / self.split
            return {
                "image": folder / "image" / person,
                "cloth": folder / "cloth" / cloth,
                "cloth_mask": folder / "cloth-mask" / cloth,
                "mask": folder / "agnostic-mask" / f"{stem}_mask.png",
                "lip": folder / "image-parse-v3" / f"{stem}.png",
                "atr": folder / "image-parse-atr" / f"{stem}.png",
                "densepose": folder / "image-densepose" / f"{stem}.png",
                "truth": folder / "truth" / f"{stem}.png",
            }
        folder, number = Path(self.out) / DRESSCODE_FOLDER[category], stem.removesuffix("_0")
        return {
            "image": folder / "images" / person,
            "cloth": folder / "images" / cloth,
            "cloth_mask": folder / "cloth_mask" / f"{number}_1.png",
            "mask": folder / "agnostic_masks" / f"{stem}.png",
            "lip": folder / "label_maps_lip" / f"{number}_4.png",
            "atr": folder / "label_maps" / f"{number}_4.png",
            "densepose": folder / "dense" / f"{number}_5.png",
            "truth": folder / "truth" / f"{stem}.png",
        }

    def lists(self) -> dict[Path, list[tuple[str, str]]]:
        """Pairs lists: path -> (person, garment) names."""
        out = {}
        for category in self.categories:
            folder = Path(self.out) if self.layout == "viton-hd" else Path(self.out) / DRESSCODE_FOLDER[category]
            names = [self.names(category, i) for i in range(self.count)]
            unpaired = [(names[i][0], names[self.partner(i)][1]) for i in range(self.count)]
            if self.split == "train":
                out[folder / "train_pairs.txt"] = names
            else:
                out[folder / "test_pairs_paired.txt"] = names
                out[folder / "test_pairs_unpaired.txt"] = unpaired
                if self.layout == "viton-hd":
                    out[folder / "test_pairs.txt"] = unpaired
        return out


def write(job: Job, workers: int = 1, progress: bool = True) -> int:
    """Write the data set (or what is missing of it); returns how many samples were drawn now."""
    if workers < 1:
        raise ValueError(f"workers {workers}: expected 1 or more")
    _claim(job)
    todo = [(c, i) for c in job.categories for i in range(job.count) if not _done(job, c, i)]
    with _bar(job.count * len(job.categories), len(todo), progress) as bar:
        for _ in _each(job, todo, workers):
            bar.update(1)
    for path, pairs in job.lists().items():
        _atomically(path, lambda part, pairs=pairs: part.write_text("".join(f"{a} {b}\n" for a, b in pairs), "utf-8"))
    return len(todo)


def write_sample(job: Job, category: str, index: int) -> None:
    """Draw and write one sample, its person's picture last."""
    now = case(job.seed, index, job.split, category)
    scene = now.scene(job.size)
    partner = case(job.seed, job.partner(index), job.split, category).garment
    flat, flat_mask = draw_flat(now.garment, job.size)
    files = {
        "cloth": flat,
        "cloth_mask": flat_mask,
        "mask": scene.agnostic_mask(category),
        "lip": label_picture(scene.lip),
        "atr": label_picture(scene.atr),
        "densepose": label_picture(scene.densepose),
        "truth": now.truth(partner, job.size).image,
        "image": scene.image,
    }
    paths = job.paths(category, index)
    for name, picture in files.items():
        jpeg = paths[name].suffix == ".jpg"
        _atomically(
            paths[name],
            lambda part, p=picture, j=jpeg: p.save(
                part, "JPEG" if j else "PNG", **(_JPEG if j else {"compress_level": 4})
            ),
        )


def label_picture(labels: np.ndarray) -> Image.Image:
    """A label map as a palette picture: its pixels are the labels, its colours only for the eye."""
    picture = Image.fromarray(labels).convert("P")
    picture.putpalette(L.PALETTE)
    return picture


def _done(job: Job, category: str, index: int) -> bool:
    return all(path.is_file() for path in job.paths(category, index).values())


def _each(job: Job, todo: list[tuple[str, int]], workers: int) -> Iterator[None]:
    if workers == 1 or len(todo) < 2:
        for category, index in todo:
            yield write_sample(job, category, index)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        running = [pool.submit(write_sample, job, *key) for key in todo]
        try:
            for future in as_completed(running):
                yield future.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _claim(job: Job) -> None:
    """Note in the folder what it holds; refuse to mix it with something else."""
    settings = {k: v for k, v in asdict(job).items() if k != "out"} | {"size": list(job.size)}
    path = Path(job.out) / f"wardrobe-{job.split}.json"
    if path.is_file():
        found = json.loads(path.read_text("utf-8"))
        differing = sorted(k for k in settings if found.get(k) != settings[k])
        if differing:
            what = ", ".join(f"{k} {found.get(k)!r} (now {settings[k]!r})" for k in differing)
            raise ValueError(f"{path.parent} already holds a drawn wardrobe with {what}: choose another --out")
        return
    _atomically(path, lambda part: part.write_text(json.dumps(settings, indent=1) + "\n", "utf-8"))


def _atomically(path: Path, write_to: Callable[[Path], object]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    write_to(part)
    os.replace(part, path)


def _bar(total: int, missing: int, progress: bool):
    from tqdm import tqdm

    return tqdm(total=total, initial=total - missing, unit="sample", desc="wardrobe", disable=not progress)
