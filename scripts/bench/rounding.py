"""How far bfloat16 takes the UNet, the VAE and a whole run of steps from float32, by the engine and by diffusers.

    python scripts/bench/rounding.py [--size 256x192] [--steps 50]

Random weights, rounded to bfloat16 first, so that what is compared is the arithmetic; float32 is diffusers'. Steps are
DDIM's with guidance 2.5 and eta 1, the same noise for all. Numbers are root mean squares relative to float32's.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Iterator
from itertools import chain

import torch
from diffusers import DDIMScheduler
from networks import SIZES, support
from tqdm import tqdm

from catvton.data.cli import size

TIMESTEPS = (21, 261, 501, 741, 981)
GUIDANCE = 2.5

Predict = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]  # sample, timesteps -> noise


def in_dtype(predict: Predict, dtype: torch.dtype) -> Predict:
    return lambda sample, timesteps: predict(sample.to(dtype), timesteps).float()


def final_latents(predict: Predict, height: int, width: int, steps: int, name: str) -> torch.Tensor:
    """Latents of person above garment after a run, [1, 4, 2 h, w] float32."""
    generator = torch.Generator().manual_seed(2)
    scheduler = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False
    )
    scheduler.set_timesteps(steps)
    latents = torch.randn(1, 4, 2 * height, width, generator=generator)
    mask = torch.zeros(1, 1, 2 * height, width)
    mask[:, :, height // 4 : 3 * height // 4] = 1
    condition = torch.randn(1, 4, 2 * height, width, generator=generator)
    without = condition.clone()
    without[:, :, height:] = 0  # of the garment
    fixed = torch.cat([torch.cat([mask, without], 1), torch.cat([mask, condition], 1)])  # [2, 5, 2 h, w]
    for step in tqdm(scheduler.timesteps, desc=name):
        sample = torch.cat([latents.expand(2, -1, -1, -1), fixed], 1)  # [2, 9, 2 h, w]
        unconditional, conditional = predict(sample, step.float().expand(2)).chunk(2)
        noise = unconditional + GUIDANCE * (conditional - unconditional)
        latents = scheduler.step(noise, step, latents, eta=1.0, generator=generator).prev_sample
    return latents


def unet_rows(config: dict, height: int, width: int, steps: int) -> Iterator[tuple[str, list[float]]]:
    half = support.diffusers_unet(**config).bfloat16()
    single = copy.deepcopy(half).float()
    ours = in_dtype(support.native_unet(half, pack=True), torch.bfloat16)
    theirs = in_dtype(lambda *inputs: support.run_unet(half, *inputs), torch.bfloat16)
    exact = in_dtype(lambda *inputs: support.run_unet(single, *inputs), torch.float32)
    sample = torch.randn(1, 9, 2 * height, width, generator=torch.Generator().manual_seed(1)).bfloat16()
    errors = []
    for step in TIMESTEPS:
        timestep = torch.tensor([float(step)])
        wanted = exact(sample, timestep)
        errors.append([support.apart(predict(sample, timestep), wanted) for predict in (ours, theirs)])
    yield f"UNet, a call (mean of {len(TIMESTEPS)} timesteps)", torch.tensor(errors).mean(0).tolist()
    if steps:
        runs = {"float32": exact, "ours": ours, "diffusers": theirs}
        found = {name: final_latents(predict, height, width, steps, name) for name, predict in runs.items()}
        yield (
            f"latents after {steps} steps",
            [support.apart(found[name], found["float32"]) for name in ("ours", "diffusers")],
        )


def vae_rows(config: dict, height: int, width: int) -> Iterator[tuple[str, list[float]]]:
    vae = support.diffusers_vae(**config).bfloat16()
    ours = support.native_vae(vae, pack=True)
    generator = torch.Generator().manual_seed(1)
    latents = torch.randn(1, 4, height, width, generator=generator).bfloat16()
    pictures = torch.rand(1, 3, 8 * height, 8 * width, generator=generator).mul(2).sub(1).bfloat16()
    found = [(ours.decode(latents), ours.encode(pictures)[0])]
    found.append((vae.decode(latents).sample, vae.encode(pictures).latent_dist.mean))
    vae.float()
    wanted = vae.decode(latents.float()).sample, vae.encode(pictures.float()).latent_dist.mean
    for number, name in enumerate(("VAE's decoder", "VAE's encoder")):
        yield name, [support.apart(each[number], wanted[number]) for each in found]


@torch.inference_mode()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=list(SIZES), default="full", help="default %(default)s")
    parser.add_argument("--size", type=size, default=(256, 192), help="HEIGHTxWIDTH; default 256x192")
    parser.add_argument("--steps", type=int, default=50, help="0: single calls only; default %(default)s")
    args = parser.parse_args()
    unet_config, vae_config, _ = SIZES[args.model]
    height, width = (side // 8 for side in args.size)
    print("| | ours | diffusers |\n|---|---|---|")
    for name, errors in chain(unet_rows(unet_config, height, width, args.steps), vae_rows(vae_config, height, width)):
        print(f"| {name} | {errors[0]:.4f} | {errors[1]:.4f} |", flush=True)


if __name__ == "__main__":
    main()
