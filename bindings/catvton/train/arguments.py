"""The arguments of `catvton train`."""

from __future__ import annotations

import argparse

from ..data.cli import size
from .networks import TRAINED
from .optimizers import OPTIMIZERS

DESCRIPTION = """\
Trains on the engine's own forward. `catvton train` trains a UNet for try-on: CatVTON's self-attention on a frozen base
(--base, --vae), more of it (--train unet), or a small network from nothing (--from-scratch). `catvton train vae` trains
the small VAE that the latter needs. A run lives in its --out folder and goes on with --resume, to the bit.
Several GPUs: torchrun --nproc-per-node N -m catvton.train.cli ..."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `catvton train` to its parser."""
    parser.description, parser.formatter_class = DESCRIPTION, argparse.RawDescriptionHelpFormatter
    parser.add_argument("what", nargs="?", choices=("tryon", "vae"), default="tryon", help="default %(default)s")
    parser.add_argument("--out", required=True, help="the run's folder: checkpoints, log.csv, sheets, trained weights")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out, if there is one")
    _model(parser.add_argument_group("model"))
    _data(parser.add_argument_group("data"))
    _recipe(parser.add_argument_group("recipe"))
    _machine(parser.add_argument_group("machine"))
    _upkeep(parser.add_argument_group("upkeep"))


def _model(group) -> None:
    group.add_argument("--base", help="UNet to start from: diffusers folder or file, 9 channels")
    group.add_argument("--attention", help="CatVTON attention checkpoint to start from instead of the base's own")
    group.add_argument("--vae", help="the frozen VAE: diffusers folder or file")
    group.add_argument("--decoder-only", action="store_true", help="`vae`: train the decoder of --vae; latents stay")
    group.add_argument(
        "--tried-on",
        metavar="MODEL",
        help="`vae --decoder-only`: half of each batch are try-ons of training cases by this model, their truth known",
    )
    group.add_argument(
        "--tried-on-cases", type=int, default=1000, metavar="N", help="so many of them; default %(default)s"
    )
    group.add_argument("--scheduler", help="scheduler_config.json or its folder; default SD 1.5's")
    group.add_argument("--from-scratch", action="store_true", help="a small UNet (5.7 M) with fresh weights; no --base")
    group.add_argument(
        "--grow-attention",
        type=int,
        metavar="HEADS",
        help="first give --base attention of so many heads at its outermost level of the way up",
    )
    group.add_argument("--train", choices=TRAINED, default="attention", help="what of the UNet; default %(default)s")


def _data(group) -> None:
    group.add_argument(
        "--data",
        nargs="+",
        default=["wardrobe"],
        help="'wardrobe' (drawn from --data-seed) or folders in VITON-HD's or DressCode's layout; default %(default)s",
    )
    group.add_argument("--size", type=size, default=(256, 192), help="HEIGHTxWIDTH; default 256x192")
    group.add_argument("--samples", type=int, default=4000, help="of the wardrobe; default %(default)s")
    group.add_argument("--data-seed", type=int, default=0, help="of the wardrobe; default %(default)s")
    group.add_argument("--categories", nargs="+", default=["upper"], help="of the wardrobe; default upper")
    group.add_argument("--skip-missing", action="store_true", help="leave out pairs of which a file is missing")
    group.add_argument(
        "--unrelated-garments", action="store_true", help="beside each person another's garment: a base without try-on"
    )
    group.add_argument("--pictures", help="folder for drawn or decoded pictures, shared by runs; default: not kept")
    group.add_argument("--cache", help="folder for latents; default OUT/cache")
    group.add_argument("--no-cache", action="store_true", help="encode at every visit")


def _recipe(group) -> None:
    group.add_argument("--steps", type=int, required=True)
    group.add_argument("--batch-size", type=int, default=8, help="of one pass of one process; default %(default)s")
    group.add_argument("--accumulate", type=int, default=1, help="passes a step; default %(default)s")
    group.add_argument("--optimizer", choices=OPTIMIZERS, default="adamw", help="default %(default)s")
    group.add_argument("--learning-rate", type=float, help="default 1e-5 (vae, --from-scratch: 5e-4)")
    group.add_argument("--schedule", choices=("constant", "cosine"), default="constant", help="default %(default)s")
    group.add_argument("--warmup", type=int, default=0, help="steps; default %(default)s")
    group.add_argument("--weight-decay", type=float, default=1e-2, help="default %(default)s")
    group.add_argument("--clip", type=float, default=1.0, help="norm of the gradient; 0 is off; default %(default)s")
    group.add_argument("--ema", type=float, help="decay of the averaged weights, for instance 0.997; default off")
    group.add_argument("--dropout", type=float, default=0.1, help="of the garment's condition; default %(default)s")
    group.add_argument("--dream", type=float, nargs="?", const=10.0, help="DREAM, lambda 10 unless given; default off")
    group.add_argument("--snr-gamma", type=float, help="Min-SNR weighting, 5 is usual; default off")
    group.add_argument("--snr-floor", type=float, help="of Min-SNR, 0.3 for instance: noisy steps count; default off")
    group.add_argument(
        "--region-weights",
        type=float,
        nargs=3,
        default=(1.0, 1.0, 1.0),
        metavar=("INSIDE", "OUTSIDE", "GARMENT"),
        help="of the loss: person in the mask, outside it, garment; default 1 1 1",
    )
    group.add_argument("--ssim", type=float, default=0.0, help="`vae`: weight of 1 - SSIM in the loss; default off")
    group.add_argument("--seed", type=int, default=0, help="default %(default)s")


def _machine(group) -> None:
    group.add_argument("--device", default="auto", help="default %(default)s")
    group.add_argument("--threads", type=int, help="CPU threads; default torch's")
    group.add_argument("--bf16", action="store_true", help="compute in bfloat16; weights and optimizer stay float32")
    group.add_argument("--recompute", action="store_true", help="compute blocks twice: slower, less memory")


def _upkeep(group) -> None:
    group.add_argument("--save-every", type=int, default=500, help="steps; default %(default)s")
    group.add_argument("--sheet-every", type=int, default=0, help="steps between sheets of held-out cases; default off")
    group.add_argument("--max-minutes", type=float, help="stop then, to be resumed")
    group.add_argument("--half", action="store_true", help="write UNet and VAE in float16")
    group.add_argument("--quiet", action="store_true", help="no progress bar")
