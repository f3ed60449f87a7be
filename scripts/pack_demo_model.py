"""Puts a trained small model into the package, where `TryOn.load("demo")` finds it; see catvton.train.pack.

    python scripts/pack_demo_model.py output/demo-model/unet-192x144 --scores output/demo-model/evaluation/metrics.json

Run it as often as you like: the model in place is replaced when the new one is complete.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from catvton.data.cli import size
from catvton.train.pack import pack_demo

PLACE = Path(__file__).resolve().parent.parent / "bindings" / "catvton" / "demo"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of `catvton train --train unet`: unet, vae, scheduler")
    parser.add_argument("--out", type=Path, default=PLACE, help="default %(default)s")
    parser.add_argument("--decoder", type=Path, help="folder of `catvton train vae --decoder-only` of the run's VAE")
    parser.add_argument("--size", type=size, help="HEIGHTxWIDTH it is for; default the run's")
    parser.add_argument("--scores", type=Path, help="metrics.json of `catvton evaluate`")
    args = parser.parse_args()
    try:
        packed = pack_demo(args.run, args.out, decoder=args.decoder, size=args.size, scores=args.scores)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{packed.folder}: {packed.bytes:,} bytes, for pictures of {packed.size[0]}x{packed.size[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
