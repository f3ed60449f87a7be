"""How a UNet step with guidance grows with the picture and with threads, beside the operations that it takes.

    python scripts/bench/scaling.py [--model full] [--dtype float32] [--threads 1 2] [--sizes 256x192 512x384 ...]

Sizes from 256x192 to 1536x1152. A point is the best of --rounds calls with both branches in one batch and random
weights. Points are kept in --out as they are measured, and a run that was stopped goes on there. Draws
output/scaling.png (needs matplotlib) and prints the table in Markdown.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
from pathlib import Path
from typing import Any

import machine
import torch
from networks import SIZES, operations, support
from rounds import Rounds
from tqdm import tqdm

from catvton.atomic import write_json

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ["256x192", "384x288", "512x384", "768x576", "1024x768", "1536x1152"]


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(SIZES), default="full", help="default %(default)s")
    parser.add_argument("--dtype", choices=["bfloat16", "float32"], default="float32", help="default %(default)s")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="default 1 2")
    parser.add_argument("--sizes", nargs="+", default=PICTURES, metavar="HEIGHTxWIDTH", help=f"default {PICTURES}")
    parser.add_argument("--rounds", type=int, default=2, help="default %(default)s")
    parser.add_argument("--out", type=Path, default=ROOT / "output" / "scaling.json", help="default %(default)s")
    args = parser.parse_args()
    settings = {"model": args.model, "dtype": args.dtype}
    found = json.loads(args.out.read_text()) if args.out.is_file() else {"settings": settings, "points": []}
    if found["settings"] != settings:
        sys.exit(f"{args.out} is of {found['settings']}; give another --out")
    found.setdefault("machine", machine.machine(torch.device("cpu")))
    peaks = found.setdefault("peaks", {})
    for threads in args.threads:
        if str(threads) not in peaks:
            torch.set_num_threads(threads)
            peaks[str(threads)] = machine.peaks(Rounds(3, 0.5), torch.device("cpu"), 2048)[args.dtype]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    known = {(point["size"], point["threads"]) for point in found["points"]}
    wanted = [(size, threads) for size in args.sizes for threads in args.threads if (size, threads) not in known]
    if wanted:
        diffusers = support.diffusers_unet(**SIZES[args.model][0]).to(getattr(torch, args.dtype))
        unet = support.native_unet(diffusers, pack=True)
        del diffusers
        gc.collect()
    for size, threads in (progress := tqdm(wanted)):
        progress.set_description(f"{size}, {threads} threads")
        torch.set_num_threads(threads)
        found["points"].append({"size": size, "threads": threads} | measured(unet, size, args))
        write_json(args.out, found)
    print(table(found))
    draw(found, args.out.with_suffix(".png"))


def measured(unet: Any, size: str, args: argparse.Namespace) -> dict[str, float]:
    height, width = map(int, size.split("x"))
    sample = torch.randn(2, 9, 2 * height // 8, width // 8).to(getattr(torch, args.dtype))
    timesteps = torch.full((2,), 501.0)
    unet(sample, timesteps)
    # best() makes a call of its own first, which packs the weights for this size
    seconds = Rounds(args.rounds, 0).best(lambda: unet(sample, timesteps))
    with torch.device("meta"):
        blank = support.diffusers_unet(**SIZES[args.model][0])
        work = operations(lambda: support.run_unet(blank, torch.empty(sample.shape), torch.empty(2)))
    return {"pixels": height * width, "seconds": seconds, "operations": work}


def table(found: dict[str, Any]) -> str:
    lines = ["| | threads | TFLOP | s a step | GFLOP/s | of a matrix product's |", "|---|---|---|---|---|---|"]
    for point in sorted(found["points"], key=lambda point: (point["pixels"], point["threads"])):
        rate, peak = point["operations"] / point["seconds"], found["peaks"][str(point["threads"])] * 1e12
        lines.append(
            f"| {point['size']} | {point['threads']} | {point['operations'] / 1e12:.2f} | {point['seconds']:.2f} | "
            f"{rate / 1e9:.0f} | {rate / peak:.0%} |"
        )
    return "\n".join(lines)


def draw(found: dict[str, Any], path: Path) -> None:
    try:
        from matplotlib import pyplot
    except ImportError:
        print(f"no picture: {path.name} needs matplotlib (pip install matplotlib)", file=sys.stderr)
        return
    figure, axes = pyplot.subplots(figsize=(7, 4.5), layout="constrained")
    for number, threads in enumerate(sorted({point["threads"] for point in found["points"]})):
        points = sorted(
            (point for point in found["points"] if point["threads"] == threads), key=lambda point: point["pixels"]
        )
        pixels = [point["pixels"] for point in points]
        peak = found["peaks"][str(threads)] * 1e12
        plural = "s" if threads > 1 else ""
        axes.loglog(pixels, [p["seconds"] for p in points], "o", color=f"C{number}", label=f"{threads} thread{plural}")
        axes.loglog(
            pixels,
            [p["operations"] / peak for p in points],
            "-",
            color=f"C{number}",
            label=f"operations at a matrix product's rate, {threads} thread{plural}",
        )
    axes.set_xticks(pixels, [point["size"] for point in points], minor=False)
    axes.minorticks_off()
    axes.set_xlabel("picture")
    axes.set_ylabel("seconds a step with guidance")
    axes.set_title(f"UNet, {found['settings']['model']}, {found['settings']['dtype']}, {found['machine']['processor']}")
    axes.legend()
    figure.savefig(path, dpi=110)
    print(path)


if __name__ == "__main__":
    main()
