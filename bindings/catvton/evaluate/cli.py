"""`catvton evaluate`, also `python -m catvton.evaluate.cli`."""

from __future__ import annotations

import argparse
import sys

from ..data.cli import size


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `catvton evaluate` to its parser."""
    parser.description = (
        "Try-ons of held-out cases against their truth: SSIM, PSNR, colour difference on the garment, and whether the"
        " right garment was put on. The drawn wardrobe knows the truth of unpaired try-ons; folders are tried paired."
    )
    parser.add_argument("--model", required=True, help="folder with unet, vae and, for a base, attention")
    parser.add_argument("--attention", help="attention checkpoint, where the folder has none")
    parser.add_argument("--data", default="wardrobe", help="'wardrobe' or a folder with a test split; default wardrobe")
    parser.add_argument("--count", type=int, default=64, help="cases of the wardrobe; default %(default)s")
    parser.add_argument("--data-seed", type=int, default=0, help="of the wardrobe; default %(default)s")
    parser.add_argument("--categories", nargs="+", default=["upper"], help="of the wardrobe; default upper")
    parser.add_argument("--size", type=size, default=(256, 192), help="HEIGHTxWIDTH; default 256x192")
    parser.add_argument("--steps", type=int, default=20, help="default %(default)s")
    parser.add_argument("--guidance", type=float, default=1.0, help="default %(default)s")
    parser.add_argument("--seed", type=int, default=0, help="of the first case; default %(default)s")
    parser.add_argument("--device", default="auto", help="default %(default)s")
    parser.add_argument("--threads", type=int, help="CPU threads; default torch's")
    parser.add_argument("--out", required=True, help="folder for results; an unfinished run there is completed")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Carry out parsed arguments; returns the exit status. Raises ValueError, OSError, ImportError."""
    import torch

    from ..train.samples import Folder, Wardrobe
    from ..train.tryon_task import fingerprint
    from ..tryon import TryOn
    from .metrics import skimage
    from .run import Settings, evaluate, table

    skimage("metrics")  # before an hour of try-ons
    if args.threads:
        torch.set_num_threads(args.threads)
    if args.data == "wardrobe":
        data = Wardrobe(args.count, args.size, args.data_seed, "test", tuple(args.categories))
    else:
        data = Folder(args.data, args.size, "test")
    model = TryOn.load(args.model, attention=args.attention, device=args.device, dtype="float32")
    weights = {f"vae.{name}": weight for name, weight in model.vae.parameters.items()} | model.unet.parameters
    settings = Settings(fingerprint(weights), data.key, args.steps, args.guidance, args.seed)
    means = evaluate(model.unet, model.vae, model.scheduler, data, args.out, settings, not args.quiet)
    print(table(means))
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
