"""`catvton data wardrobe`: write the drawn wardrobe to disk. Also `python -m catvton.data.cli wardrobe ...`."""

from __future__ import annotations

import argparse
import sys

from .wardrobe.cases import SPLITS
from .wardrobe.dataset import LAYOUTS, Job, write


def size(text: str) -> tuple[int, int]:
    """'256x192' -> (256, 192), height first."""
    try:
        height, width = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected HEIGHTxWIDTH, for instance 256x192") from None
    return height, width


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the subcommands of `catvton data` to its parser."""
    commands = parser.add_subparsers(dest="data_command", required=True, metavar="COMMAND")
    wardrobe = commands.add_parser(
        "wardrobe",
        help="draw people and garments into a data set with exactly known truth",
        description="Draws people and garments from a seed into a data set in VITON-HD's or DressCode's layout, with"
        " agnostic masks, label maps and the true picture of every unpaired try-on. Resumes where it was stopped.",
    )
    wardrobe.add_argument("--out", required=True, help="folder to write to")
    wardrobe.add_argument(
        "--count", type=int, default=100, help="samples (DressCode: per category); default %(default)s"
    )
    wardrobe.add_argument("--size", type=size, default=(256, 192), help="HEIGHTxWIDTH; default 256x192")
    wardrobe.add_argument("--layout", choices=LAYOUTS, default="viton-hd", help="default %(default)s")
    wardrobe.add_argument("--seed", type=int, default=0, help="default %(default)s")
    wardrobe.add_argument("--split", choices=SPLITS, default="test", help="default %(default)s; splits share no sample")
    wardrobe.add_argument("--workers", type=int, default=1, help="processes; default %(default)s")
    wardrobe.add_argument("--quiet", action="store_true", help="no progress bar")


def run(args: argparse.Namespace) -> int:
    """Carry out parsed arguments; returns the exit status. A user's mistake is one line on stderr."""
    try:
        job = Job(args.out, args.count, args.size, args.layout, args.seed, args.split)
        drawn = write(job, args.workers, progress=not args.quiet)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    total = job.count * len(job.categories)
    print(f"{total} samples in {args.out} ({drawn} drawn now, {total - drawn} were there)")
    return 0


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="catvton data")
    add_arguments(parser)
    return run(parser.parse_args(arguments))


if __name__ == "__main__":
    sys.exit(main())
