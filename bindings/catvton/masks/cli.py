"""`catvton mask`: a mask from label maps or from a drawing, adjusted, written, and shown."""

from __future__ import annotations

import argparse
import dataclasses

import numpy as np
from PIL import Image

from .. import images
from .agnostic import CATEGORIES, COVERABLE
from .controls import adjust
from .labels import PARSERS
from .presets import PRESETS, Preset, preset_mask
from .preview import preview

SUMMARY = "make a mask from label maps, or clean a drawn one"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `catvton mask`."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--category", choices=CATEGORIES, help="what the garment replaces; needs label maps")
    presets = "; ".join(f"{name}: {preset.why}" for name, preset in PRESETS.items())
    source.add_argument("--preset", choices=list(PRESETS), help=f"a category with its controls set ({presets})")
    source.add_argument("--drawn", metavar="FILE", help="a mask drawn by hand: white or opaque is painted")
    for name in (*PARSERS, "densepose"):
        parser.add_argument(f"--{name}", metavar="FILE", help=f"label map of {name} (numbers or palette indices)")
    parser.add_argument("--invert", action="store_true", help="the drawing marks what is kept")
    parser.add_argument("--cover", action="append", choices=COVERABLE, help="also repaint this part; may be repeated")
    length = "pixels, or percent of the longer side like 2%%"
    parser.add_argument("--grow", metavar="LENGTH", help=f"larger all round, negative for smaller: {length}")
    parser.add_argument("--loose", metavar="LENGTH", help=f"a wider and longer silhouette: {length}")
    parser.add_argument("--clean", metavar="LENGTH", help=f"close holes and drop islands smaller than this: {length}")
    parser.add_argument("--feather", metavar="LENGTH", help=f"soften the edge: {length}")
    parser.add_argument("--protect", metavar="FILE", help="a mask of what is never painted")
    parser.add_argument("--person", metavar="FILE", help="the person, for --preview")
    parser.add_argument("--preview", metavar="FILE", help="also write the mask laid over the person")
    parser.add_argument("-o", "--output", metavar="FILE", default="mask.png", help="the mask (default: %(default)s)")


def run(args: argparse.Namespace) -> int:
    """Makes and writes the mask; returns the exit status. Raises ValueError for arguments that do not fit together."""
    if args.preview and not args.person:
        raise ValueError("--preview needs --person, the picture to lay the mask over")
    mask = _drawn(args) if args.drawn else _from_maps(args)
    images.check_mask(mask)
    images.save_picture(Image.fromarray(mask), args.output)
    print(f"{args.output}: {mask.shape[1]}x{mask.shape[0]}, {(mask >= 128).mean():.1%} painted")
    if args.preview:
        images.save_picture(preview(args.person, mask), args.preview)
        print(args.preview)
    return 0


def _lengths(args: argparse.Namespace) -> dict[str, str]:
    given = {name: getattr(args, name) for name in ("grow", "loose", "clean", "feather")}
    return {name: length for name, length in given.items() if length is not None}


def _drawn(args: argparse.Namespace) -> np.ndarray:
    maps = [f"--{name}" for name in (*PARSERS, "densepose") if getattr(args, name)]
    if maps or args.cover:
        raise ValueError(f"--drawn takes no {', '.join(maps or ['--cover'])}; use --category with label maps")
    mask = images.mask_array(args.drawn, "drawn mask")
    return adjust(255 - mask if args.invert else mask, **_lengths(args), protect=args.protect)


def _from_maps(args: argparse.Namespace) -> np.ndarray:
    if args.invert:
        raise ValueError("--invert is for --drawn")
    base = PRESETS[args.preset] if args.preset else Preset(args.category)
    cover = tuple(dict.fromkeys((*base.cover, *(args.cover or ()))))
    preset = dataclasses.replace(base, cover=cover, **_lengths(args))
    others = {name: getattr(args, name) for name in PARSERS if name not in ("atr", "lip") and getattr(args, name)}
    return preset_mask(preset, args.atr, args.lip, args.densepose, others=others, protect=args.protect)
