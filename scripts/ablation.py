"""How much of the UNet has to train: all, the transformer blocks, the self-attentions, or nothing (an ablation).

    python scripts/ablation.py --vae runs/vae/vae --out output/ablation                        # makes its base
    python scripts/ablation.py --base runs/base --out output/ablation                          # takes yours
    python scripts/ablation.py --vae runs/vae/vae --base-steps 1000 8000 --train attention unet joint --out ...

All start from the same base and see the same data in the same order for the same number of steps. A base that is made
here is a small UNet trained on persons beside garments that have nothing to do with them (--unrelated-garments): it
paints persons and garments, and knows no try-on, as CatVTON's inpainting base knows none. With several --base-steps it
shows whether attention alone suffices once the base is good; "joint" learns everything at once from nothing, in as many
steps as base and training together.

It goes on where it was stopped. Writes ablation.json and ablation.md. Memory is the training process' peak.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from catvton.atomic import write_json

TRAINED = ("none", "attention", "transformer", "unet", "joint")
SCORES = ("ssim", "psnr", "colour", "texture", "swap", "not_worn")
COLUMNS = (
    "base", "trained", "parameters", "s a step", "peak memory", "last loss", "SSIM", "PSNR", "CIEDE2000", "texture",
    "swap", "not worn",
)  # fmt: skip


class Stopped(Exception):
    """Time is up, or a command failed; the message says which."""


@dataclass(frozen=True)
class Row:
    base: str  # name of its folder; "" for joint, which has none
    trained: str
    folder: Path
    steps: int


class Ablation:
    def __init__(self, args: argparse.Namespace):
        self.args, self.out, self.began = args, Path(args.out), time.monotonic()

    def run(self) -> None:
        bases = self.bases()
        rows = [row for name in bases for row in self.rows(name, bases[name])]
        for number, row in enumerate(rows, 1):
            if row.trained != "none":
                print(f"== {number} of {len(rows)}: {row.trained} on {row.base or 'nothing'}", flush=True)
                self.train(row.folder, row.steps, self.start_of(row, bases))
        found = []
        for number, row in enumerate(rows, 1):
            print(f"== {number} of {len(rows)}: evaluation of {row.trained} on {row.base or 'nothing'}", flush=True)
            scores = self.evaluate(row, bases)
            found.append(self.numbers(row, scores))
        write_json(self.out / "ablation.json", {"settings": self.settings(), "rows": found})
        text = markdown(found)
        (self.out / "ablation.md").write_text(text, encoding="utf-8")
        print(text)

    def bases(self) -> dict[str, Path]:
        """Name -> folder of unet, vae and scheduler; those that are made grow out of each other, shortest first."""
        args = self.args
        if args.base:
            return {args.base.name: args.base}
        made: dict[str, Path] = {}
        before: Path | None = None
        for steps in sorted(set(args.base_steps)):
            name = f"base-{steps}"
            folder = made[name] = self.out / name
            if before is not None and not (folder / "checkpoints").exists():
                copied = self.out / f".{name}"
                shutil.rmtree(copied, ignore_errors=True)
                shutil.copytree(before, copied, ignore=shutil.ignore_patterns("sheets"))
                copied.rename(folder)
            print(f"== {name}", flush=True)
            start = ["--from-scratch", "--vae", str(args.vae), "--train", "unet", "--unrelated-garments"]
            self.train(folder, steps, [*start, "--learning-rate", str(args.base_learning_rate)])
            before = folder
        return made

    def rows(self, name: str, base: Path) -> list[Row]:
        rows = []
        for trained in self.args.train:
            folder = self.out / f"{name}-{trained}"
            if trained == "joint":
                rows.append(Row("", trained, folder, int(name.removeprefix("base-")) + self.args.steps))
            else:
                rows.append(Row(name, trained, base if trained == "none" else folder, self.args.steps))
        return rows

    def start_of(self, row: Row, bases: dict[str, Path]) -> list[str]:
        if row.trained == "joint":
            rate = str(self.args.base_learning_rate)
            return ["--from-scratch", "--vae", str(self.args.vae), "--train", "unet", "--learning-rate", rate]
        base = bases[row.base]
        parts = ["--base", str(base / "unet"), "--vae", str(base / "vae"), "--scheduler", str(base / "scheduler")]
        return [*parts, "--train", row.trained, "--learning-rate", str(self.args.learning_rate)]

    def train(self, folder: Path, steps: int, start: list[str]) -> None:
        args = self.args
        if last_step(folder) >= steps and (folder / "memory.json").is_file():
            return
        height, width = args.size
        command = [sys.executable, "-m", "catvton.train.cli", *start, "--out", str(folder), "--resume"]
        command += f"--size {height}x{width} --steps {steps} --samples {args.samples} --seed {args.seed}".split()
        command += f"--batch-size {args.batch_size} --threads {args.threads} --device {args.device}".split()
        cache = "cache-base" if "--unrelated-garments" in start else "cache"
        command += ["--cache", str(self.out / cache), "--pictures", str(self.out / "pictures")]
        command += ["--save-every", str(args.save_every), "--categories", *args.categories]
        command += args.options.split()
        if args.minutes is not None:
            left = args.minutes - (time.monotonic() - self.began) / 60
            if left <= 0:
                raise Stopped(f"time is up before {folder}; run this again to go on")
            command += ["--max-minutes", str(left)]
        peak = self.watched(command)
        note = folder / "memory.json"
        before = json.loads(note.read_text())["bytes"] if note.is_file() else 0
        write_json(note, {"bytes": max(peak, before)})
        if last_step(folder) < steps:
            raise Stopped(f"stopped in {folder}; run this again to go on")

    @staticmethod
    def watched(command: list[str]) -> int:
        """Runs it; returns the most bytes of memory that it held (at least as many as this small process)."""
        process = subprocess.Popen(command)
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except KeyboardInterrupt:  # the child got it, too, and is writing its checkpoint
            os.wait4(process.pid, 0)
            raise
        if code := os.waitstatus_to_exitcode(status):
            raise Stopped(f"{' '.join(command)}\nended with exit code {code}")
        return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)

    def evaluate(self, row: Row, bases: dict[str, Path]) -> dict[str, Any]:
        args = self.args
        out = self.out / "evaluations" / f"{row.base or 'joint'}-{row.trained}-{row.steps}"
        model = row.folder if row.trained not in ("none", "attention") else bases[row.base]
        command = [sys.executable, "-m", "catvton.evaluate.cli", "--model", str(model), "--out", str(out)]
        if row.trained == "attention":
            command += ["--attention", str(row.folder / "attention" / "model.safetensors")]
        height, width = args.size
        command += (
            f"--size {height}x{width} --count {args.cases} --pairing unpaired --grid {min(8, args.cases)}".split()
        )
        command += f"--threads {args.threads} --device {args.device} --guidance {args.guidance}".split()
        command += ["--categories", *args.categories]
        self.watched(command)
        return json.loads((out / "metrics.json").read_text())["unpaired"]["pasted_back"]

    def numbers(self, row: Row, scores: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {"base": row.base, "trained": row.trained, "steps": row.steps}
        found["parameters"] = 0 if row.trained == "none" else trained_parameters(row.folder, row.trained)
        if row.trained != "none":
            with open(row.folder / "log.csv", newline="", encoding="utf-8") as file:
                log = list(csv.DictReader(file))
            found["seconds_per_step"] = statistics.median(float(line["seconds"]) for line in log)
            found["loss"] = statistics.fmean(float(line["loss"]) for line in log[-max(1, len(log) // 10) :])
            found["peak_bytes"] = json.loads((row.folder / "memory.json").read_text())["bytes"]
        return found | {"scores": scores}

    def settings(self) -> dict[str, Any]:
        return {name: str(value) if isinstance(value, Path) else value for name, value in vars(self.args).items()}


def trained_parameters(folder: Path, trained: str) -> int:
    """Counted in what the run wrote."""
    from catvton import weights

    if trained == "attention":
        return weights.inspect(folder / "attention" / "model.safetensors").attention_parameters
    from catvton.train.networks import trained_names

    unet = weights.load_unet(folder / "unet", device="meta")
    names = trained_names(unet.config, list(unet.parameters), "unet" if trained == "joint" else trained)
    return sum(unet.parameters[name].numel() for name in names)


def last_step(folder: Path) -> int:
    stored = sorted((folder / "checkpoints").glob("step-*.pt"))
    return int(stored[-1].stem.removeprefix("step-")) if stored else 0


def markdown(rows: list[dict[str, Any]]) -> str:
    lines = ["| " + " | ".join(COLUMNS) + " |", "|---" * len(COLUMNS) + "|"]
    for row in rows:
        trains = "seconds_per_step" in row
        cells = [row["base"] or "-", row["trained"], f"{row['parameters']:,}"]
        cells += [f"{row['seconds_per_step']:.2f}", f"{row['peak_bytes'] / 1e9:.2f} GB"] if trains else ["-", "-"]
        cells += [f"{row['loss']:.4f}" if trains else "-"]
        cells += [f"{row['scores'][name]:.3f}" if name in row["scores"] else "-" for name in SCORES]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def size(text: str) -> tuple[int, int]:
    height, width = (int(part) for part in text.split("x"))
    return height, width


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    base = parser.add_mutually_exclusive_group(required=True)
    base.add_argument("--base", type=Path, help="folder with unet, vae and scheduler to start from")
    base.add_argument("--vae", type=Path, help="VAE of the small bases that are made here")
    parser.add_argument("--base-steps", type=int, nargs="+", default=[4000], help="of each base; default 4000")
    parser.add_argument("--train", nargs="+", choices=TRAINED, default=list(TRAINED[:4]), help="default all but joint")
    parser.add_argument("--steps", type=int, default=2000, help="on top of the base; default %(default)s")
    parser.add_argument("--samples", type=int, default=4000, help="drawn for training; default %(default)s")
    parser.add_argument("--size", type=size, default=(192, 144), help="HEIGHTxWIDTH; default 192x144")
    parser.add_argument("--categories", nargs="+", default=["upper"], help="of the wardrobe; default upper")
    parser.add_argument("--batch-size", type=int, default=16, help="default %(default)s")
    parser.add_argument("--learning-rate", type=float, default=4e-4, help="on top of the base; default %(default)s")
    parser.add_argument(
        "--base-learning-rate", type=float, default=8e-4, help="of bases and joint; default %(default)s"
    )
    parser.add_argument(
        "--options",
        default="--ema 0.997 --snr-gamma 5 --snr-floor 0.3 --region-weights 2 0.25 0.1 --warmup 100",
        help="more of `catvton train`, for bases and training alike; default %(default)s",
    )
    parser.add_argument("--cases", type=int, default=64, help="held out, for evaluation; default %(default)s")
    parser.add_argument("--guidance", type=float, default=1.0, help="of evaluation; default %(default)s")
    parser.add_argument("--save-every", type=int, default=500, help="default %(default)s")
    parser.add_argument("--minutes", type=float, help="stop then, to be run again; default: when done")
    parser.add_argument("--seed", type=int, default=0, help="default %(default)s")
    parser.add_argument("--device", default="auto", help="default %(default)s")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default %(default)s")
    parser.add_argument("--out", type=Path, default=Path("output/ablation"), help="default %(default)s")
    args = parser.parse_args()
    if args.base and "joint" in args.train:
        parser.error("joint is compared with bases that are made here: give --vae instead of --base")
    try:
        Ablation(args).run()
    except Stopped as stopped:
        print(stopped, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
