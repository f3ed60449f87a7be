"""How fast the engine is beside what it replaces: ratios on this machine, medians of alternating rounds.

python scripts/bench [--quick | --full]; writes a table and its numbers to output/bench.txt and output/bench.json.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path

import layers
import machine
import networks
import operators
import pictures
import torch
from rounds import Rounds, Row

from catvton.devices import resolve_device, resolve_dtype

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    parser = argparse.ArgumentParser("bench", description=__doc__.splitlines()[0])
    how_much = parser.add_mutually_exclusive_group()
    how_much.add_argument("--quick", action="store_true", help="tiny pictures and models, to see that all of it runs")
    how_much.add_argument("--full", action="store_true", help="also the published size: 899 M parameters, 1024x768")
    parser.add_argument("--compile", action="store_true", help="the UNets also against torch.compile")
    parser.add_argument("--threads", type=int, help="of torch (default: what torch takes)")
    parser.add_argument("--device", default="cpu", help="where the models run: cpu, cuda, ... (%(default)s)")
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16", "float16"])
    parser.add_argument("--out", type=Path, default=ROOT / "output" / "bench.json", help="(%(default)s)")
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = resolve_device(args.device)
    dtype = resolve_dtype(args.dtype, device)

    rounds = Rounds(count=3, seconds=0.02) if args.quick else Rounds(count=7, seconds=0.5)
    about = machine.machine(device)
    peaks = machine.peaks(rounds, device, side=512 if args.quick else 4096)
    text = [f"{name}: {value}" for name, value in about.items()]
    copied = machine.copy_rate(rounds, device, 2**24 if args.quick else 2**28)
    text += [f"matrix product, {name}: {found:.3f} TFLOP/s" for name, found in peaks.items()]
    text += [f"copying memory: {copied / 1e9:.1f} GB/s read and written"]
    if about["load before"] > 0.2 * about["cores"]:
        text.append("THE MACHINE IS BUSY: these numbers say little")
    print(*text, HEADER, sep="\n", flush=True)

    rows: list[Row] = []
    table = [*text, HEADER]
    for row in _all_rows(rounds, args, device, dtype):
        rows.append(row)
        table.append(_line(row, peaks.get(row.unit or args.dtype)))
        print(table[-1], flush=True)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.with_suffix(".txt").write_text("\n".join(table) + "\n")
    numbers = {
        "machine": about,
        "dtype": args.dtype,
        "peaks": peaks,
        "copied": copied,
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    args.out.write_text(json.dumps(numbers, indent=1) + "\n")
    print(f"{args.out.with_suffix('.txt')}, {args.out}")


def _all_rows(rounds: Rounds, args: argparse.Namespace, device: torch.device, dtype: torch.dtype) -> Iterable[Row]:
    yield from pictures.rows(rounds, args.quick)
    if device.type == "cpu" and dtype in (torch.float32, torch.bfloat16):
        yield from operators.rows(rounds, args.quick, dtype)
        yield from layers.rows(rounds, "quick" if args.quick else "full" if args.full else "small", dtype)
    yield from networks.rows(rounds, "quick" if args.quick else "small", device, dtype, args.compile)
    if args.full:
        slow = dataclasses.replace(rounds, count=3)  # a step takes a minute on few cores
        yield from networks.rows(slow, "full at 512x384", device, dtype, args.compile)
        yield from networks.rows(slow, "full", device, dtype, args.compile)


HEADER = (
    f"\n{'':<54} {'ours':>10} {'theirs':>10}  {'ratio':>6}  {'of the rounds':<13}  {'GFLOP/s':>7}  {'of peak':<7}  peer"
)


def _line(row: Row, peak: float | None) -> str:
    """One line of the table; `peak`: TFLOP/s of a matrix product of what the row multiplies."""
    spread = f"{row.spread[0]:.2f} - {row.spread[1]:.2f}"
    rate = f"{row.work / row.ours / 1e9:.0f}" if row.work else ""
    share = f"{row.work / row.ours / 1e12 / peak:.0%}" if row.work and peak else ""
    return (
        f"{row.what:<54} {_duration(row.ours):>10} {_duration(row.theirs):>10}  {row.ratio:>5.2f}x  {spread:<13}  "
        f"{rate:>7}  {share:<7}  {row.peer}"
    )


def _duration(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds >= 1 else f"{seconds * 1e3:.2f} ms"


if __name__ == "__main__":
    main()
