"""catvton tryon: one picture, or every person of a folder in every garment of another."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..masks.agnostic import CATEGORIES
from ..masks.beside import category_mask, is_map, maps_of
from . import options

MAPS = ("atr", "lip", "densepose")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")


@dataclass(frozen=True)
class Job:
    person: Path
    garment: Path
    mask: Path | None
    maps: dict[str, Path]  # label maps, where the mask is made by category
    out: Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "PERSON, GARMENT and MASK may be folders: every person is dressed in every garment, the mask being the file "
        "named like the person (or <person>_mask), and --out is a folder that receives <person>_<garment>.png. "
        "With --category the mask is made from label maps beside the person: me.atr.png, me.lip.png and "
        "me.densepose.png for me.jpg (`catvton mask` has more ways to a mask). "
        "Published CatVTON weights are licensed CC BY-NC-SA 4.0: no commercial use."
    )
    parser.add_argument("person", metavar="PERSON", type=Path, help="the person: a picture, or a folder of them")
    parser.add_argument("garment", metavar="GARMENT", type=Path, help="the garment: a picture, or a folder of them")
    mask = parser.add_mutually_exclusive_group()
    mask.add_argument("--mask", type=Path, help="white where the garment goes (mask-free models need none)")
    mask.add_argument("--category", choices=CATEGORIES, help="make the mask of such a garment from label maps")
    for name in MAPS:
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"the label map {name} of --category")
    parser.add_argument("-o", "--out", type=Path, default=Path("result.png"), help="where to write (%(default)s)")

    options.add_models(parser)
    work = options.add_work(parser, "the same for every picture of a folder")
    work.add_argument(
        "--no-paste-back", dest="paste_back", action="store_false", help="give the model's picture, at --size"
    )


def run(args: argparse.Namespace) -> int:
    maps = {name: getattr(args, name) for name in MAPS if getattr(args, name)}
    jobs = jobs_of(args.person, args.garment, args.mask, args.out, args.category, maps)
    model = options.load(args)
    if model.masked and args.mask is None and args.category is None:
        raise ValueError("this is a masked model: give --mask, white where the garment goes, or --category")
    began = time.perf_counter()
    _dress(model, jobs, args)
    seconds = time.perf_counter() - began
    where = str(jobs[0].out) if len(jobs) == 1 else f"{len(jobs)} pictures in {args.out}"
    print(f"{where}: {seconds:.1f} s, {options.peak(model.device)}")
    return 0


def jobs_of(
    person: Path,
    garment: Path,
    mask: Path | None,
    out: Path,
    category: str | None = None,
    maps: Mapping[str, Path] | None = None,
) -> list[Job]:
    """What to do, checked as far as that goes without opening a picture.

    maps: label maps that are named; those of a category that are not lie beside the person.
    Raises FileNotFoundError for what is not there, ValueError where names do not fit together.
    """
    persons, garments = pictures_of(person, "person"), pictures_of(garment, "garment")
    if maps and (category is None or person.is_dir()):
        why = "maps of several persons lie beside them" if category else "a label map is for --category"
        raise ValueError(f"--{next(iter(maps))}: {why}")
    if person.is_dir() or garment.is_dir():
        if out.suffix.lower() in SUFFIXES:
            raise ValueError(f"--out {out}: several pictures need a folder to go to, not a file")
        outs = [out / f"{p.stem}_{g.stem}.png" for p in persons for g in garments]
        if len(set(outs)) < len(outs):
            raise ValueError("some pictures differ only in their ending, and their results would overwrite each other")
    else:
        outs = [out]
        options.check_out(out)
    found = {p: maps_of(p, maps) if category else {} for p in persons}
    jobs = [Job(p, g, mask_for(p, mask), found[p], outs.pop(0)) for p in persons for g in garments]
    read = {path.resolve() for job in jobs for path in (job.person, job.garment, job.mask, *job.maps.values()) if path}
    for job in jobs:
        if job.out.resolve() in read:
            raise ValueError(f"--out {job.out} is one of the pictures to read; choose another name")
    return jobs


def pictures_of(path: Path, name: str) -> list[Path]:
    """The picture `path`, or those in the folder `path`, by name; label maps of others are none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise FileNotFoundError(f"{name}: there is no file {path}")
    found = sorted(
        p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and not is_map(p)
    )
    if not found:
        raise FileNotFoundError(f"{name}: there is no picture in the folder {path} ({', '.join(SUFFIXES)})")
    return found


def mask_for(person: Path, mask: Path | None) -> Path | None:
    """The mask given for all persons, or this person's in the folder given."""
    if mask is None or not mask.is_dir():
        return pictures_of(mask, "mask")[0] if mask else None
    for path in pictures_of(mask, "mask"):
        if path.stem in (person.stem, f"{person.stem}_mask"):
            return path
    raise FileNotFoundError(f"mask: {mask} holds none for {person.name} ({person.stem}.png or {person.stem}_mask.png)")


def _dress(model: Any, jobs: list[Job], args: argparse.Namespace) -> None:
    import torch
    from tqdm import tqdm

    steps = len(jobs) * options.sampling_of(args).steps
    with tqdm(total=steps, unit="step", disable=None) as bar:  # None: only on a terminal
        for job in jobs:
            bar.set_description(job.out.name)
            try:
                result = model(
                    job.person,
                    job.garment,
                    category_mask(job.person, args.category, job.maps) if args.category else job.mask,
                    paste_back=args.paste_back,
                    **options.work_of(args),
                    callback=lambda *_: bar.update(),
                )
            except torch.OutOfMemoryError as error:
                raise options.too_large(model, args, error) from error
            options.save(result, job.out)
