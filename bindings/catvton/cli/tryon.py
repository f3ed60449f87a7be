"""catvton tryon: one picture, or every person of a folder in every garment of another."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from .. import memory
from ..images import rgb_array
from ..masks.agnostic import CATEGORIES
from ..masks.beside import category_mask, is_map, maps_of
from .table import gib

if TYPE_CHECKING:
    from ..results import Result

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

    models = parser.add_argument_group("models (`catvton info DIR` shows what a folder holds)")
    models.add_argument("--models", type=Path, metavar="DIR", help="a folder with base UNet, VAE and attention")
    models.add_argument("--unet", type=Path, help="base UNet: a folder or file; wins over --models, as the next two do")
    models.add_argument("--vae", type=Path, help="VAE: a folder or file")
    models.add_argument("--attention", type=Path, help="CatVTON's trained attention: a folder or file")
    models.add_argument("--variant", help="which attention of --models: mix-48k-1024, vitonhd-16k-512, ...")
    models.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps, ... (%(default)s)")
    models.add_argument("--dtype", default="auto", choices=["auto", *memory.DTYPES], help="(%(default)s)")

    models.add_argument("--weights-dtype", choices=["float8_e4m3"], help="keep the UNet's weights in eight bits")
    models.add_argument(
        "--memory",
        default="auto",
        choices=["auto", "normal", "low", "minimal"],
        help="less memory for more time; auto takes what fits (%(default)s)",
    )

    work = parser.add_argument_group("how it is done")
    work.add_argument("--steps", type=int, default=50, help="denoising steps (%(default)s)")
    work.add_argument("--guidance", type=float, default=2.5, help="how strictly to follow the garment (%(default)s)")
    work.add_argument("--eta", type=float, default=1.0, help="fresh noise in each step, 0 for none (%(default)s)")
    work.add_argument("--seed", type=int, default=42, help="the same for every picture of a folder (%(default)s)")
    work.add_argument("--size", type=size, default="1024x768", metavar="HEIGHTxWIDTH", help="(%(default)s)")
    work.add_argument(
        "--fit",
        default="pad",
        choices=["pad", "crop", "stretch"],
        help="how the person reaches that size (%(default)s)",
    )
    work.add_argument(
        "--no-paste-back", dest="paste_back", action="store_false", help="give the model's picture, at --size"
    )
    work.add_argument("--feather", metavar="LENGTH", help="softness of the seam: pixels, or 1%% of the longer side")
    work.add_argument("--protect", type=Path, metavar="FILE", help="a mask of what stays the person's own")
    work.add_argument(
        "--match-colour", action="store_true", help="fit the result's colours to the person's at the seam"
    )


def size(text: str) -> tuple[int, int]:
    """ "1024x768" -> (1024, 768), height first."""
    if not (numbers := re.fullmatch(r"(\d+)[xX×](\d+)", text)):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH, such as 1024x768, got {text!r}")
    return int(numbers[1]), int(numbers[2])


def run(args: argparse.Namespace) -> int:
    maps = {name: getattr(args, name) for name in MAPS if getattr(args, name)}
    jobs = jobs_of(args.person, args.garment, args.mask, args.out, args.category, maps)
    if not (args.models or args.unet):
        raise ValueError("which models? Give --models DIR, or --unet, --vae and --attention.")

    from .. import TryOn
    from ..paste_back import check_seam
    from ..preparation import check_size

    check_size(*args.size)  # this and the next: before loading a model
    check_seam(args.feather, args.protect)
    model = TryOn.load(
        args.models,
        unet=args.unet,
        vae=args.vae,
        attention=args.attention,
        variant=args.variant,
        device=args.device,
        dtype=args.dtype,
        weights_dtype=args.weights_dtype,
        memory=args.memory,
    )
    if model.masked and args.mask is None and args.category is None:
        raise ValueError("this is a masked model: give --mask, white where the garment goes, or --category")
    began = time.perf_counter()
    _dress(model, jobs, args)
    seconds = time.perf_counter() - began
    where = str(jobs[0].out) if len(jobs) == 1 else f"{len(jobs)} pictures in {args.out}"
    print(f"{where}: {seconds:.1f} s, {_peak(model.device)}")
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
        if out.is_dir():
            raise ValueError(f"--out {out} is a folder; give the name of the picture, such as {out / 'result.png'}")
        if out.suffix.lower() not in Image.registered_extensions():
            raise ValueError(f"--out {out}: {out.suffix or 'no ending'} is no picture format; use .png, .jpg or .webp")
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

    height, width = args.size
    with tqdm(total=len(jobs) * args.steps, unit="step", disable=None) as bar:  # None: only on a terminal
        for job in jobs:
            bar.set_description(job.out.name)
            try:
                result = model(
                    job.person,
                    job.garment,
                    category_mask(job.person, args.category, job.maps) if args.category else job.mask,
                    steps=args.steps,
                    guidance=args.guidance,
                    eta=args.eta,
                    seed=args.seed,
                    height=height,
                    width=width,
                    fit=args.fit,
                    paste_back=args.paste_back,
                    feather=args.feather,
                    protect=args.protect,
                    match_colour=args.match_colour,
                    memory=args.memory,
                    callback=lambda *_: bar.update(),
                )
            except torch.OutOfMemoryError as error:
                raise MemoryError(
                    f"not enough memory on {model.device} for {height}x{width} in {model.dtype} ({error}). "
                    "`catvton info --memory` tells what other sizes need."
                ) from error
            job.out.parent.mkdir(parents=True, exist_ok=True)
            _save(result, job.out)


def _save(result: Result, path: Path) -> None:
    if Image.registered_extensions()[path.suffix.lower()] != "JPEG":
        result.save(path)
        return
    picture = Image.fromarray(rgb_array(result.pil))  # JPEG knows no transparency; white shows there
    picture.info = dict(result.pil.info)
    replace(result, image=picture).save(path, quality=95)


def _peak(device: Any) -> str:
    import torch

    resident = memory.peak_resident()
    text = f"peak memory {gib(resident)}" if resident else "peak memory unknown"
    if device.type == "cuda":
        text += f", on the GPU {gib(torch.cuda.max_memory_allocated(device))}"
    return text
