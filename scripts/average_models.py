"""The mean of models that were trained on from one another, as a model; see catvton.train.average.

python scripts/average_models.py demo output/run-1 --out output/mean
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from catvton.train.average import average_models


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help='folders of models, or "demo"')
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    args = parser.parse_args()
    try:
        average_models(args.models, args.out)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
