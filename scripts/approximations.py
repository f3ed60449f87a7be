"""What each approximation saves and costs: seconds and scores of the demo model, errors of the published size.

    python scripts/approximations.py --out output/approximations                      # the demo model on drawn cases
    python scripts/approximations.py --out output/approximations --full build/demo/weights --count 0

Every case is tried with every row of options in turn, so what else the machine does meets all of them alike; seconds
are the process' CPU time. Scores are `catvton evaluate`'s, unpaired and pasted back. --full adds how far the final
latents are from those of an exact run with the same noise, for a model of the published size (made-up weights,
`make demo-full` writes them). Last comes what they leave of the published UNet's work, counted and not timed.

It goes on where it was stopped. Writes cases.jsonl, latents.jsonl and table.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from catvton import TryOn
from catvton._native import C
from catvton.evaluate.cases import cases_of
from catvton.evaluate.measure import measure
from catvton.evaluate.run import model_key
from catvton.presets import PRESETS, Sampling
from catvton.train.samples import Wardrobe
from catvton.train.sheets import paint, paste, pixels

TWENTY = {"steps": 20}
ROWS = {name: sampling for name, sampling in PRESETS.items()} | {
    text: Sampling(**options)
    for text, options in {
        "20 steps": TWENTY,
        "10 steps": {"steps": 10},
        "10 steps, guidance 1.5": {"steps": 10, "guidance": 1.5},
        "20 steps, unipc": {"steps": 20, "solver": "unipc"},
        "10 steps, unipc": {"steps": 10, "solver": "unipc"},
        "6 steps, unipc": {"steps": 6, "solver": "unipc"},
        "10 steps, sde-dpm++": {"steps": 10, "solver": "sde-dpm++"},
        "20 steps, guidance_interval 0 0.5": TWENTY | {"guidance_interval": (0.0, 0.5)},
        "20 steps, guidance_interval 0.5 1": TWENTY | {"guidance_interval": (0.5, 1.0)},
        "20 steps, cache_interval 2": TWENTY | {"cache_interval": 2},
        "20 steps, cache_interval 3": TWENTY | {"cache_interval": 3},
        "20 steps, token_downsampling 2": TWENTY | {"token_downsampling": 2},
        "20 steps, token_downsampling 4": TWENTY | {"token_downsampling": 4},
    }.items()
}
# Of the published size, against an exact run of as many steps: what changes the trajectory itself is not comparable.
LATENT_SIZE, LATENT_STEPS = (256, 192), 6
LATENT_ROWS = {
    text: Sampling(steps=LATENT_STEPS, **options)
    for text, options in {
        "exact": {},
        "guidance_interval 0 0.5": {"guidance_interval": (0.0, 0.5)},
        "guidance_interval 0.5 1": {"guidance_interval": (0.5, 1.0)},
        "cache_interval 2": {"cache_interval": 2},
        "cache_interval 3": {"cache_interval": 3},
        "token_downsampling 2": {"token_downsampling": 2},
        "token_downsampling 4": {"token_downsampling": 4},
        "cache_interval 2, token_downsampling 2": {"cache_interval": 2, "token_downsampling": 2},
    }.items()
}


class Kept:
    """Results as lines of JSON, a key each; a row whose options changed is measured anew."""

    def __init__(self, path: Path):
        self.path, self.found = path, {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
            if line.endswith("}"):  # the last one may be cut off
                entry = json.loads(line)
                self.found[json.dumps(entry["key"])] = entry["value"]

    def get(self, key: Any, compute: Callable[[], Any]) -> Any:
        name = json.dumps(key)
        if name not in self.found:
            self.found[name] = compute()
            with open(self.path, "a", encoding="utf-8") as file:
                file.write("\n" + json.dumps({"key": key, "value": self.found[name]}))
        return self.found[name]


def operations(height: int, width: int, sampling: Sampling) -> float:
    """TFLOP of the published UNet in all steps: products and convolutions as the engine calls them on torch's `meta`
    device, and attention, of which nothing is called there, by its formula."""
    from torch.utils.flop_counter import FlopCounterMode

    config, like = C.UNetConfig(), torch.empty(0, device="meta")
    counter, seen = FlopCounterMode(display=False), []

    def noise(shape: list[int]) -> torch.Tensor:
        seen.append(counter.get_total_flops())
        return torch.zeros(shape, device="meta")

    def picture(channels: int) -> torch.Tensor:
        return torch.zeros(1, channels, height, width, device="meta")

    with torch.no_grad(), counter:
        C.tryon(
            C.UNet.blank(config, like),
            C.VAE.blank(C.VAEConfig(), like),
            *(picture(3), picture(3), picture(1), C.DDIMConfig()),
            noise=noise,
            on_step=lambda step, total, latents: seen.append(counter.get_total_flops()),
            **sampling.options(),
        )
    steps = range(sampling.steps)
    start, stop = sampling.guidance_interval
    branches = [2 if start <= i / sampling.steps < stop else 1 for i in steps]
    attention = sum(
        branches[i] * _attention(config, height // 4, width // 8, sampling, i % sampling.cache_interval > 0)
        for i in steps
    )
    # The third noise is that of the first latents; the last entry that of the last step, or its end.
    return (seen[-1] - seen[2] + attention) / 1e12


def _attention(config: C.UNetConfig, height: int, width: int, sampling: Sampling, reuses: bool) -> float:
    """Of one branch in one step, over joined maps [height, width]: two products of N x n x channels, 2 FLOP each."""
    total = 0.0
    for level, channels in enumerate(config.block_out_channels[: 1 if reuses else None]):
        count = config.layers_per_block[level] * config.down_block_attention[level]
        count += (config.layers_per_block[level] + 1) * list(reversed(config.up_block_attention))[level]
        count += config.mid_block_attention if level + 1 == len(config.block_out_channels) else 0
        tokens = (height >> level) * (width >> level)
        total += count * 4.0 * tokens * tokens * channels / (sampling.token_downsampling**2 if level == 0 else 1)
    return total


def work() -> str:
    """What the approximations leave of the published size's work, computed and not measured."""
    sizes = ((1024, 768), (512, 384))
    lines = ["| | " + " | ".join(f"TFLOP a step, {h}x{w}" for h, w in sizes) + " |", "|---" * 3 + "|"]
    exact = [operations(*size, LATENT_ROWS["exact"]) for size in sizes]
    for row, sampling in LATENT_ROWS.items():
        found = [operations(*size, sampling) for size in sizes]
        cells = [f"{f / LATENT_STEPS:.1f} ({f / e:.0%})" for f, e in zip(found, exact, strict=True)]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of results")
    parser.add_argument("--model", default="demo", help="default %(default)s")
    parser.add_argument("--count", type=int, default=40, help="of cases; 0 for none (%(default)s)")
    parser.add_argument(
        "--full", type=Path, metavar="DIR", help="a model of the published size, for the latents' errors"
    )
    parser.add_argument("--threads", type=int, default=1, help="of torch (%(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    blocks = []
    if args.count:
        blocks.append(scores(args.model, args.count, Kept(args.out / "cases.jsonl")))
    if args.full:
        blocks.append(errors(args.full, Kept(args.out / "latents.jsonl")))
    blocks.append(work())
    (args.out / "table.md").write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    print("\n\n".join(blocks))


def scores(name: str, count: int, kept: Kept) -> str:
    model = TryOn.load(name, device="cpu", dtype="float32")
    cases = cases_of("wardrobe", "unpaired", model.native_size, count)
    weights = model_key(model)
    found: dict[str, list[dict[str, Any]]] = {row: [] for row in ROWS}
    with tqdm(total=count * len(ROWS), unit="picture") as bar:
        for index in range(count):
            for row, sampling in ROWS.items():
                key = [weights, model.native_size, index, sampling.options()]
                found[row].append(kept.get(key, lambda s=sampling, i=index: one(model, cases, i, s)))
                bar.set_description(row)
                bar.update()
    exact = [one["seconds"] for one in found["exact"]]
    lines = ["| | CPU seconds a picture | times as fast | SSIM | CIEDE2000 | swap |", "|---|---|---|---|---|---|"]
    for row, ones in found.items():
        ratio = statistics.median(whole / one["seconds"] for whole, one in zip(exact, ones, strict=True))
        means = [mean(one[name] for one in ones) for name in ("seconds", "ssim", "colour", "swap")]
        lines.append(f"| {row} | {means[0]:.2f} | {ratio:.1f} | {means[1]:.3f} | {means[2]:.1f} | {means[3]:.1%} |")
    return "\n".join(lines)


def one(model: TryOn, cases: Any, index: int, sampling: Sampling) -> dict[str, Any]:
    case = cases[index]
    began = time.process_time()
    picture = paint(model.unet, model.vae, model.scheduler, case, **sampling.options(), seed=index)
    seconds = time.process_time() - began
    numbers = measure(index, paste(picture, case), case, cases.fabric(index))
    return {"seconds": seconds, "ssim": numbers.ssim, "colour": numbers.colour, "swap": numbers.swap}


def mean(values: Iterable[float | bool | None]) -> float:
    return statistics.mean(float(value) for value in values if value is not None)


def errors(folder: Path, kept: Kept) -> str:
    lines = ["| | CPU seconds a step | error of the final latents |", "|---|---|---|"]
    height, width = LATENT_SIZE
    run = FullSize(folder)
    for row, sampling in tqdm(LATENT_ROWS.items(), unit="run"):
        key = [str(folder.resolve()), LATENT_SIZE, sampling.options()]
        found = kept.get(key, lambda s=sampling: run.error(s))
        lines.append(f"| {row} | {found['seconds']:.1f} | {found['error']:.3f} |")
    return f"{height}x{width}, {LATENT_STEPS} steps:\n\n" + "\n".join(lines)


class FullSize:
    """A model of the published size, loaded when it is needed, and its exact latents."""

    def __init__(self, folder: Path):
        self.folder = folder

    @cached_property
    def model(self) -> TryOn:
        return TryOn.load(self.folder, device="cpu", dtype="float32")

    @cached_property
    def exact(self) -> tuple[torch.Tensor, float]:
        return self.latents(LATENT_ROWS["exact"])

    def error(self, sampling: Sampling) -> dict[str, float]:
        """CPU seconds a step, and the root mean square of the error of the person's latents, relative to theirs."""
        exact, seconds = self.exact
        if sampling == LATENT_ROWS["exact"]:
            return {"seconds": seconds, "error": 0.0}
        latents, seconds = self.latents(sampling)
        return {
            "seconds": seconds,
            "error": float((latents - exact).square().mean().sqrt() / exact.square().mean().sqrt()),
        }

    def latents(self, sampling: Sampling) -> tuple[torch.Tensor, float]:
        """The person's final latents, and the CPU seconds of a step after the first one."""
        case, seen = Wardrobe(1, LATENT_SIZE, split="test").tryon_case(0), []
        picture, garment, mask = pixels(case["person"]), pixels(case["garment"]), case["mask"].numpy()[0] * 255
        self.model(
            *(picture, garment, mask),
            **sampling.options(),
            height=LATENT_SIZE[0],
            width=LATENT_SIZE[1],
            seed=0,
            paste_back=False,
            callback=lambda step, total, latents: seen.append((time.process_time(), latents.clone())),
        )
        seconds = (seen[-1][0] - seen[0][0]) / (len(seen) - 1)
        return seen[-1][1].chunk(2, dim=2)[0], seconds


if __name__ == "__main__":
    main()
