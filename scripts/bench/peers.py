"""CatVTON's UNet on a CPU by the engine and by others, in turns, each in a process of its own, with the same weights.

    python scripts/bench/peers.py [--size "full at 512x384"] [--dtype float32] [--batch 2] [--peers openvino ...]

OpenVINO and onnxruntime are no dependencies of anything here: `pip install openvino onnxruntime onnx` into an
environment that has torch, diffusers and the engine. What cannot be run says why. A peer whose output is not ours, to
the rounding of its dtype, is named and not timed. Adds its table to output/peers.json, and prints it in Markdown.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import machine
import numpy as np
import torch
from networks import GATES
from peer import PEERS, arguments

from catvton.atomic import write_json

ROOT = Path(__file__).resolve().parents[2]
INT8_GATE = 2e-1  # of the largest value, in eight bits; networks.GATES for others


class Process:
    def __init__(self, name: str, folder: Path, options: list[str]):
        self.name, self.result = name, folder / f"{name}.npy"
        command = [sys.executable, str(Path(__file__).with_name("peer.py")), name, str(self.result), *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.seconds: list[float] = []
        self.peak_bytes = 0

    def read(self) -> dict[str, Any]:
        line = self.process.stdout.readline()
        return json.loads(line) if line else {"problem": f"ended with exit code {self.process.wait()}"}

    def run(self) -> None:
        self.process.stdin.write("run\n")
        self.process.stdin.flush()
        found = self.read()
        self.seconds.append(found["seconds"])
        self.peak_bytes = found["peak_bytes"]

    def end(self) -> None:
        self.process.stdin.close()
        self.process.wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments(parser)
    others = [name for name in PEERS if name != "ours"]
    parser.add_argument("--peers", nargs="+", choices=others, default=others, help="default all")
    parser.add_argument("--rounds", type=int, default=5, help="default %(default)s")
    parser.add_argument("--out", type=Path, default=ROOT / "output" / "peers.json", help="default %(default)s")
    args = parser.parse_args()
    options = ["--size", args.size, "--dtype", args.dtype, "--batch", str(args.batch), "--threads", str(args.threads)]
    about = machine.machine(torch.device("cpu")) | {"threads": args.threads}
    with tempfile.TemporaryDirectory() as folder:
        running = started(["ours", *args.peers], Path(folder), options, GATES[getattr(torch, args.dtype)])
    for number in range(args.rounds):
        for process in running if number % 2 else reversed(running):
            process.run()
            print(f"round {number + 1}: {process.name} {process.seconds[-1]:.2f} s", file=sys.stderr, flush=True)
    for process in running:
        process.end()
    rows = [row(process, running[0]) for process in running]
    known = json.loads(args.out.read_text()) if args.out.is_file() else []
    args.out.parent.mkdir(parents=True, exist_ok=True)
    settings = {"size": args.size, "dtype": args.dtype, "batch": args.batch, "rounds": args.rounds}
    write_json(args.out, [*known, {"machine": about, **settings, "rows": rows}])
    print(f"{about['processor']}, {args.threads} threads, load {about['load before']}; {settings}")
    print(markdown(rows))


def started(names: list[str], folder: Path, options: list[str], gate: float) -> list[Process]:
    """Those that run and compute what ours does; one after the other, for each takes much memory to begin with."""
    ready: list[Process] = []
    for name in names:
        process = Process(name, folder, options)
        if problem := process.read().get("problem"):
            print(f"{name}: not measured: {problem}", flush=True)
            continue
        result = np.load(process.result)
        expected = np.load(ready[0].result) if ready else result
        apart = float(np.abs(result - expected).max() / np.abs(expected).max())
        print(f"{name}: ready, {apart:.1e} of the largest value from ours", file=sys.stderr, flush=True)
        if not apart <= (INT8_GATE if "int8" in name else gate):
            print(f"{name}: not measured: its output differs from ours by {apart:.1e} of the largest value", flush=True)
            process.end()
            continue
        ready.append(process)
    return ready


def row(process: Process, ours: Process) -> dict[str, Any]:
    ratios = [theirs / mine for theirs, mine in zip(process.seconds, ours.seconds, strict=True)]
    return {
        "peer": process.name,
        "seconds": statistics.median(process.seconds),
        "ratio": statistics.median(ratios),
        "spread": [min(ratios), max(ratios)],
        "peak_bytes": process.peak_bytes,
    }


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = ["| | s a call | times ours (rounds) | peak memory |", "|---|---|---|---|"]
    for found in rows:
        low, high = found["spread"]
        lines.append(
            f"| {found['peer']} | {found['seconds']:.2f} | {found['ratio']:.2f} ({low:.2f} - {high:.2f}) | "
            f"{found['peak_bytes'] / 1e9:.2f} GB |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
