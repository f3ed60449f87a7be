"""A small model that really tries garments on, from nothing but the drawn wardrobe: what `make demo-model` runs.

    vae        until the gate: the truth encoded, decoded and pasted back must be as good as a demo needs
    unet       everything trained, without attention at its outermost level, where it would be half of the time
    attention  the same UNet, given that attention on the way up, trained on
    decoder    the VAE's, from the model's own try-ons
    evaluation on held-out cases

Hours on a CPU. Every stage goes on where it was stopped, and its folder keeps the log of every step; run it again until
it says that it is done.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import torch

from catvton import weights
from catvton.atomic import write_json
from catvton.evaluate.cli import main as evaluate
from catvton.evaluate.metrics import colour_difference, ssim
from catvton.train.cli import main as train
from catvton.train.samples import Wardrobe
from catvton.train.vae_task import ceiling

SIZE = (192, 144)  # height, width
# Upper garments are the most of it; the rest so that outfits can be shown, too.
CATEGORIES = ("upper", "upper", "upper", "lower", "overall")
DATA = f"--size {SIZE[0]}x{SIZE[1]} --categories {' '.join(CATEGORIES)}"
VAE = "--batch-size 8 --optimizer muon --learning-rate 1.5e-3 --warmup 100 --schedule cosine --ema 0.995 --half"
UNET = (
    "--from-scratch --train unet --batch-size 16 --optimizer muon --learning-rate 1.5e-3 --warmup 200 "
    "--schedule cosine --ema 0.999 --half --snr-gamma 5 --snr-floor 0.3 --region-weights 2 0.25 0.1"
)
ATTENTION = (
    "--grow-attention 2 --train unet --batch-size 16 --optimizer muon --learning-rate 1.2e-3 --warmup 100 "
    "--schedule cosine --ema 0.998 --half --snr-gamma 5 --snr-floor 0.3 --region-weights 2 0.25 0.1"
)
DECODER = (
    "vae --decoder-only --batch-size 8 --optimizer muon --learning-rate 6e-4 --warmup 50 --schedule cosine "
    "--ema 0.995 --ssim 1 --half"
)
GATE = {"ssim": 0.92, "colour": 3.0}  # at least, at most


class Stopped(Exception):
    """Time is up, or a stage failed; the message says what next."""


class Stages:
    def __init__(self, args: argparse.Namespace):
        self.args, self.out, self.began = args, Path(args.out), time.monotonic()

    def run(self) -> None:
        args = self.args
        self.train("vae", f"vae {VAE} --steps {args.vae_steps}")
        self.gate()
        vae, base = self.out / "vae" / "vae", self.out / "unet"
        self.train("unet", f"{UNET} --vae {vae} --steps {args.unet_steps}")
        grown = f"--base {base / 'unet'} --scheduler {base / 'scheduler'} --vae {vae} --steps {args.attention_steps}"
        self.train("attention", f"{ATTENTION} {grown}")
        tried_on = f"--tried-on {self.out / 'attention'} --tried-on-cases {min(1024, args.samples)}"
        self.train("decoder", f"{DECODER} --vae {vae} {tried_on} --steps {args.decoder_steps}")
        self.finish()

    def train(self, name: str, arguments: str) -> None:
        folder = self.out / name
        args = self.args
        more = f"{DATA} --out {folder} --pictures {self.out / 'pictures'} --resume --samples {args.samples}"
        more += f" --threads {args.threads} --device {args.device}"
        more += f" --save-every {args.save_every} --sheet-every {args.save_every}"
        if args.minutes is not None:
            left = args.minutes - (time.monotonic() - self.began) / 60
            more += f" --max-minutes {max(left, 0)}"
        if args.bf16:
            more += " --bf16"
        print(f"== {name}", flush=True)
        if train([*arguments.split(), *more.split()]) != 0:
            raise Stopped(f"{name} failed")
        if self.steps_done(folder) < int(arguments.split("--steps ")[1].split()[0]):
            raise Stopped(f"time is up in {name}; run this again to go on")

    def gate(self) -> None:
        """The best that any UNet could do with this VAE, on held-out cases; no UNet is trained for a bad one."""
        vae = weights.load_vae(self.out / "vae" / "vae", device=self.args.device)
        data = Wardrobe(self.args.cases, SIZE, split="test", categories=CATEGORIES)
        found: dict[str, list[float]] = {"ssim": [], "colour": []}
        for index in range(len(data)):
            case = data.tryon_case(index)
            truth, best = case["truth"].permute(1, 2, 0).numpy(), ceiling(vae, case)
            found["ssim"].append(ssim(best, truth))
            found["colour"].append(colour_difference(best, truth, case["area"].numpy()[0] > 0))
        means = {name: round(float(np.mean(values)), 4) for name, values in found.items()}
        write_json(self.out / "gate.json", {**means, "needed": GATE, "cases": len(data)})
        print(f"gate: {means}, needed: SSIM >= {GATE['ssim']}, CIEDE2000 <= {GATE['colour']}", flush=True)
        if means["ssim"] < GATE["ssim"] or means["colour"] > GATE["colour"]:
            text = f"the VAE missed the gate: {means}. Train it longer (--vae-steps, in a new --out)"
            if not self.args.ignore_gate:
                raise Stopped(text)
            print(text, flush=True)

    def finish(self) -> None:
        model = self.out / "model"
        for part, stage in {"unet": "attention", "scheduler": "attention", "vae": "decoder"}.items():
            shutil.copytree(self.out / stage / part, model / part, dirs_exist_ok=True)
        machine = f"--device {self.args.device} --threads {self.args.threads}"
        cases = f"{DATA} --pairing unpaired --guidance 1.5 --count {self.args.cases}"
        evaluate(f"--model {model} --out {self.out / 'evaluation'} {machine} {cases}".split())
        print(f"done: {model}")

    @staticmethod
    def steps_done(folder: Path) -> int:
        stored = sorted((folder / "checkpoints").glob("step-*.pt"))
        return int(stored[-1].stem.removeprefix("step-")) if stored else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="output/demo-model", help="default %(default)s")
    parser.add_argument("--minutes", type=float, help="stop then, to be run again; default: when done")
    parser.add_argument("--samples", type=int, default=16384, help="drawn for training; default %(default)s")
    parser.add_argument("--vae-steps", type=int, default=12000, help="default %(default)s")
    parser.add_argument("--unet-steps", type=int, default=20000, help="default %(default)s")
    parser.add_argument("--attention-steps", type=int, default=8000, help="default %(default)s")
    parser.add_argument("--decoder-steps", type=int, default=3000, help="default %(default)s")
    parser.add_argument("--cases", type=int, default=64, help="held out, for gate and evaluation; default %(default)s")
    parser.add_argument("--save-every", type=int, default=500, help="default %(default)s")
    parser.add_argument("--ignore-gate", action="store_true", help="train the UNet for a bad VAE, too")
    parser.add_argument("--bf16", action="store_true", help="compute in bfloat16")
    parser.add_argument("--device", default="auto", help="default %(default)s")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default %(default)s")
    args = parser.parse_args()
    write_json(Path(args.out) / "recipe.json", json.loads(json.dumps(vars(args))))
    try:
        Stages(args).run()
    except Stopped as stopped:
        print(stopped)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
