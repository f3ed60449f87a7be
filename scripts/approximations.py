"""What each approximation saves and costs: seconds and scores of the demo model, errors of latents, counted work.

    python scripts/approximations.py --out output/approximations                      # the demo model on drawn cases
    python scripts/approximations.py --out output/approximations --latents build/demo/weights --count 0

Every case is tried with every row of options in turn, so what else the machine does meets all of them alike; seconds
are the process' CPU time. Scores are `catvton evaluate`'s, unpaired and pasted back. --latents adds how far the final
latents are from those of an exact run with the same noise, for a model with made-up weights (`make demo-full` writes
some of the published size, tests/synthetic_weights.py --tiny small ones). Last comes what the approximations leave of
the published UNet's work, counted and not timed.

It goes on where it was stopped. Writes cases.jsonl, latents.jsonl and table.md.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable, Iterable
from functools import cached_property, lru_cache
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
        "20 steps, int8_scores": TWENTY | {"int8_scores": True},
        "20 steps, int8": TWENTY,
        "20 steps, int8_scores, int8": TWENTY | {"int8_scores": True},
    }.items()
}
INT8 = ", int8"  # ends a row whose UNet is in eight bits (weights_dtype="int8"); left out where the CPU has none
# Against an exact run of as many steps: what a solver changes is the trajectory itself, and not comparable.
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
        "int8_scores": {"int8_scores": True},
        "exact, int8": {},
        "int8_scores, int8": {"int8_scores": True},
    }.items()
}


def rows(of: dict[str, Sampling]) -> dict[str, Sampling]:
    """Those that this CPU can compute."""
    scores = C.ops.attends_in_int8(torch.empty(0))
    return {
        row: sampling
        for row, sampling in of.items()
        if (C.int8.works() or not row.endswith(INT8)) and (scores or not sampling.int8_scores)
    }


def load(name: str, row: str) -> TryOn:
    """The model that a row is tried with, in float32."""
    return _load(name, "int8" if row.endswith(INT8) else None)


@lru_cache
def _load(name: str, weights_dtype: str | None) -> TryOn:
    return TryOn.load(name, device="cpu", dtype="float32", weights_dtype=weights_dtype)


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
    """TFLOP of the published UNet in all steps."""
    whole, reusing = _call_operations(height, width, sampling.token_downsampling)
    start, stop = sampling.guidance_interval
    total = 0.0
    for i in range(sampling.steps):
        # A step in which guidance sets in is whole (cpp/tryon/tryon.cpp): no row has one that would not be.
        branches = 2 if start <= i / sampling.steps < stop else 1
        total += branches * (whole if i % sampling.cache_interval == 0 else reusing)
    return total / 1e12


@lru_cache
def _call_operations(height: int, width: int, token_downsampling: int) -> list[float]:
    """FLOP of one branch in a whole step and in one that reuses what is deep: products and convolutions as the engine
    calls them on torch's `meta` device, and attention, for which it calls nothing there, by its formula."""
    from torch.utils.flop_counter import FlopCounterMode

    config, like = C.UNetConfig(), torch.empty(0, device="meta")
    counter, counted = FlopCounterMode(display=False), []

    def count(*_: Any) -> None:
        counted.append(counter.get_total_flops())

    def noise(shape: list[int]) -> torch.Tensor:
        count()
        return torch.zeros(shape, device="meta")

    def picture(channels: int) -> torch.Tensor:
        return torch.zeros(1, channels, height, width, device="meta")

    options = {"steps": 2, "guidance": 1.0, "eta": 0.0, "cache_interval": 2, "token_downsampling": token_downsampling}
    with torch.no_grad(), counter:
        C.tryon(
            C.UNet.blank(config, like),
            C.VAE.blank(C.VAEConfig(), like),
            *(picture(3), picture(3), picture(1), C.DDIMConfig()),
            noise=noise,
            on_step=count,
            **options,
        )
    # Before the first latents are drawn, after the first step, after the second.
    called = [counted[3] - counted[2], counted[4] - counted[3]]
    grid = height // 4, width // 8
    return [called[i] + _attention(config, *grid, token_downsampling, reuses) for i, reuses in enumerate((False, True))]


def _attention(config: C.UNetConfig, height: int, width: int, token_downsampling: int, reuses: bool) -> float:
    """Over joined maps [height, width]: two products of N x n x channels for each, 2 FLOP an element."""
    total, levels = 0.0, len(config.block_out_channels)
    for level in range(1 if reuses else levels):
        count = config.layers_per_block[level] * config.down_block_attention[level]
        count += (config.layers_per_block[level] + 1) * config.up_block_attention[levels - 1 - level]
        count += config.mid_block_attention if level == levels - 1 else 0
        tokens = (height >> level) * (width >> level)
        seen = tokens / token_downsampling**2 if level == 0 else tokens
        total += count * 4.0 * tokens * seen * config.block_out_channels[level]
    return total


def work() -> str:
    """What the approximations leave of the published size's work, computed and not measured."""
    sizes = ((1024, 768), (512, 384))
    lines = ["| | " + " | ".join(f"TFLOP a step, {h}x{w}" for h, w in sizes) + " |", "|---" * 3 + "|"]
    exact = [operations(*size, LATENT_ROWS["exact"]) for size in sizes]
    for row, sampling in LATENT_ROWS.items():
        if row.endswith(INT8):
            continue  # as much work, in fewer bits
        found = [operations(*size, sampling) for size in sizes]
        cells = [f"{f / LATENT_STEPS:.2f} ({f / e:.0%})" for f, e in zip(found, exact, strict=True)]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of results")
    parser.add_argument("--model", default="demo", help="default %(default)s")
    parser.add_argument("--count", type=int, default=40, help="of cases; 0 for none (%(default)s)")
    parser.add_argument("--latents", type=Path, metavar="DIR", help="a model, for the errors of its latents")
    parser.add_argument("--threads", type=int, default=1, help="of torch (%(default)s)")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    blocks = []
    if args.count:
        blocks.append(scores(args.model, args.count, Kept(args.out / "cases.jsonl")))
    if args.latents:
        blocks.append(errors(args.latents, Kept(args.out / "latents.jsonl")))
    blocks.append(work())
    (args.out / "table.md").write_text("\n\n".join(blocks) + "\n", encoding="utf-8")
    print("\n\n".join(blocks))


def scores(name: str, count: int, kept: Kept) -> str:
    plain = load(name, "exact")
    cases = cases_of("wardrobe", "unpaired", plain.native_size, count)
    keys = {row: model_key(load(name, row)) for row in rows(ROWS)}
    found: dict[str, list[dict[str, Any]]] = {row: [] for row in keys}
    with tqdm(total=count * len(found), unit="picture") as bar:
        for index in range(count):
            for row, sampling in rows(ROWS).items():
                model = load(name, row)
                key = [keys[row], model.native_size, index, sampling.options()]
                found[row].append(kept.get(key, lambda m=model, s=sampling, i=index: one(m, cases, i, s)))
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
    run = Latents(folder)
    for row, sampling in tqdm(rows(LATENT_ROWS).items(), unit="run"):
        key = [str(folder.resolve()), LATENT_SIZE, sampling.options(), *([INT8] if row.endswith(INT8) else [])]
        found = kept.get(key, lambda r=row: run.error(r))
        lines.append(f"| {row} | {found['seconds']:.1f} | {found['error']:.3f} |")
    return f"{height}x{width}, {LATENT_STEPS} steps:\n\n" + "\n".join(lines)


class Latents:
    """A model's latents, and those of its exact run."""

    def __init__(self, folder: Path):
        self.folder = folder

    @cached_property
    def exact(self) -> tuple[torch.Tensor, float]:
        return self.latents("exact")

    def error(self, row: str) -> dict[str, float]:
        """CPU seconds a step, and the root mean square of the error of the person's latents, relative to theirs."""
        exact, seconds = self.exact
        if row == "exact":
            return {"seconds": seconds, "error": 0.0}
        latents, seconds = self.latents(row)
        return {
            "seconds": seconds,
            "error": float((latents - exact).square().mean().sqrt() / exact.square().mean().sqrt()),
        }

    def latents(self, row: str) -> tuple[torch.Tensor, float]:
        """The person's final latents, and the CPU seconds of a step after the first one."""
        case, seen = Wardrobe(1, LATENT_SIZE, split="test").tryon_case(0), []
        picture, garment, mask = pixels(case["person"]), pixels(case["garment"]), case["mask"].numpy()[0] * 255
        load(str(self.folder), row)(
            *(picture, garment, mask),
            **LATENT_ROWS[row].options(),
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
