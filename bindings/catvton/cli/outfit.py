"""catvton outfit: several garments on one person."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from ..masks.beside import maps_of
from . import options

GARMENTS = ("upper", "lower", "dress", "inner", "outer")
MAPS = ("atr", "lip", "densepose")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.epilog = (
        "Put on in this order: lower, then upper or inner, or dress in their place, outer last. A garment without a "
        "--mask-NAME gets its mask from label maps, which lie beside the person (me.atr.png, me.lip.png and "
        "me.densepose.png for me.jpg) or are named. "
        "Published CatVTON weights are licensed CC BY-NC-SA 4.0: no commercial use."
    )
    parser.add_argument("person", metavar="PERSON", type=Path, help="the person: a picture")
    worn = parser.add_argument_group("garments, one or more")
    kinds = {
        "upper": "takes the place of a worn shirt and coat",
        "lower": "trousers or a skirt",
        "dress": "takes the place of upper and lower",
        "inner": "a shirt in an open coat, which stays",
        "outer": "a coat over what is worn",
    }
    for name in GARMENTS:
        worn.add_argument(f"--{name}", type=Path, metavar="FILE", help=kinds[name])
    masks = parser.add_argument_group("masks")
    for name in GARMENTS:
        masks.add_argument(f"--mask-{name}", type=Path, metavar="FILE", help=f"white where --{name} goes")
    for name in MAPS:
        masks.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"the label map {name}")
    parser.add_argument("-o", "--out", type=Path, default=Path("result.png"), help="where to write (%(default)s)")
    options.add_models(parser)
    options.add_work(parser, "of the first garment; each later one has the next number")


def run(args: argparse.Namespace) -> int:
    options.check_out(args.out)
    garments = {name: getattr(args, name) for name in GARMENTS if getattr(args, name)}
    masks = {name: getattr(args, f"mask_{name}") for name in GARMENTS if getattr(args, f"mask_{name}")}
    _check_files(args, garments, masks)
    maps = _label_maps(args, needed=set(garments) > set(masks))
    model = options.load(args)
    began = time.perf_counter()
    result = _dress(model, args, garments, masks, maps)
    options.save(result, args.out)
    print(f"{args.out}: {time.perf_counter() - began:.1f} s, {options.peak(model.device)}")
    return 0


def _check_files(args: argparse.Namespace, garments: dict[str, Path], masks: dict[str, Path]) -> None:
    if not garments:
        raise ValueError(f"no garment is given: give one or more of {', '.join(f'--{name}' for name in GARMENTS)}")
    named = {"person": args.person} | garments | {f"mask-{name}": path for name, path in masks.items()}
    named |= {name: getattr(args, name) for name in MAPS if getattr(args, name)}
    for name, path in named.items():
        if not path.is_file():
            raise FileNotFoundError(f"{name}: there is no file {path}")
        if path.resolve() == args.out.resolve():
            raise ValueError(f"--out {args.out} is one of the pictures to read; choose another name")


def _label_maps(args: argparse.Namespace, needed: bool) -> dict[str, Path]:
    given = {name: getattr(args, name) for name in MAPS if getattr(args, name)}
    if not (given or needed):
        return {}
    found = maps_of(args.person, given) if given else _beside(args.person)
    return {name: path for name, path in found.items() if name in MAPS}


def _beside(person: Path) -> dict[str, Path]:
    """Those beside the person; none is a mistake only for a masked model, which says so itself."""
    try:
        return maps_of(person)
    except FileNotFoundError:
        return {}


def _dress(model: Any, args: argparse.Namespace, garments, masks, maps) -> Any:
    import torch
    from tqdm import tqdm

    steps = len(garments) * options.sampling_of(args).steps
    with tqdm(total=steps, unit="step", disable=None) as bar:  # None: only on a terminal
        try:
            return model.outfit(
                args.person,
                **garments,
                masks=masks,
                **maps,
                **options.work_of(args),
                callback=lambda *_: bar.update(),
            )
        except torch.OutOfMemoryError as error:
            raise options.too_large(model, args, error) from error
