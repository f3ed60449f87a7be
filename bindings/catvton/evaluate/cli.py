"""`catvton evaluate`, also `python -m catvton.evaluate.cli`."""

from __future__ import annotations

import argparse
import sys

from ..cli.options import add_sampling, sampling_of
from ..data.cli import size
from ..presets import Sampling

DEFAULT = Sampling(steps=20, guidance=1.0)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `catvton evaluate` to its parser."""
    parser.description = (
        "Try-ons of held-out cases against their truth, with and without paste-back: SSIM, PSNR, colour and texture on"
        " the garment, whether the right garment was put on, and LPIPS, FID and KID if asked for. Of unpaired try-ons"
        " the drawn wardrobe knows the truth; a real data set has it for paired ones alone."
    )
    parser.add_argument(
        "--model", required=True, help="folder with unet, vae and, for a base, attention; demo: the built-in model"
    )
    parser.add_argument("--attention", help="attention checkpoint, where the folder has none")
    parser.add_argument("--data", default="wardrobe", help="'wardrobe' or a folder with a test split; default wardrobe")
    parser.add_argument(
        "--count", type=int, help="the first so many cases; default 100 of the wardrobe, all of a folder"
    )
    parser.add_argument(
        "--pairing", choices=("both", "unpaired", "paired"), default="both", help="which cases; default %(default)s"
    )
    parser.add_argument("--data-seed", type=int, default=0, help="of the wardrobe; default %(default)s")
    parser.add_argument("--categories", nargs="+", default=["upper"], help="of the wardrobe; default upper")
    parser.add_argument("--skip-missing", action="store_true", help="leave out pairs of which a file is missing")
    parser.add_argument("--size", type=size, help="HEIGHTxWIDTH; default the model's own")
    add_sampling(parser, DEFAULT)
    parser.add_argument("--seed", type=int, default=0, help="of the first case; default %(default)s")
    parser.add_argument(
        "--learned", action="store_true", help="LPIPS, FID and KID, too; torchmetrics downloads their networks once"
    )
    parser.add_argument("--grid", type=int, default=0, metavar="N", help="also a picture of N cases, drawn at random")
    parser.add_argument("--grid-seed", type=int, default=0, help="of which cases; default %(default)s")
    parser.add_argument("--device", default="auto", help="default %(default)s")
    parser.add_argument("--threads", type=int, help="CPU threads; default torch's")
    parser.add_argument("--out", required=True, help="folder for results; an unfinished run there is completed")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Carry out parsed arguments; returns the exit status. Raises ValueError, OSError, ImportError."""
    import torch

    from ..tryon import TryOn
    from .cases import PAIRINGS, cases_of
    from .learned import Learned
    from .metrics import skimage
    from .report import text
    from .run import evaluate

    skimage("metrics")  # before an hour of try-ons
    chosen = sampling_of(args, DEFAULT)
    if args.threads:
        torch.set_num_threads(args.threads)
    model = TryOn.load(args.model, attention=args.attention, device=args.device, dtype="float32")
    if not model.masked:
        raise ValueError(f"{args.model} is a mask-free model, and evaluation is of masked ones")
    held_out = [
        cases_of(
            args.data,
            pairing,
            args.size or model.native_size,
            args.count,
            seed=args.data_seed,
            categories=tuple(args.categories),
            on_missing="skip" if args.skip_missing else "stop",
        )
        for pairing in PAIRINGS
        if args.pairing in ("both", pairing)
    ]
    report = evaluate(
        model,
        held_out,
        args.out,
        sampling=chosen,
        seed=args.seed,
        learned=Learned() if args.learned else None,
        grid=args.grid,
        grid_seed=args.grid_seed,
        progress=not args.quiet,
    )
    print(text(report))
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="catvton evaluate")
    add_arguments(parser)
    try:
        return run(parser.parse_args(arguments))
    except (ValueError, OSError, ImportError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
