"""CatVTON as a plain Python loop over diffusers' UNet2DConditionModel, AutoencoderKL and DDIMScheduler.

Written from the paper (arXiv 2407.15886) and the reference implementation's pipeline; shares no code with the engine.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from diffusers import DDIMScheduler
from torch.nn.functional import interpolate

from support import run_unet


def sd15_scheduler() -> DDIMScheduler:
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )


def noise_for(
    masked: bool, batch: int, latent_size: tuple[int, int], steps: int, eta: float, seed: int = 0, channels=4
):
    """All noise that a try-on draws, in its order: person, garment, first latents, one a step where eta > 0."""
    generator = torch.Generator().manual_seed(seed)
    height, width = latent_size
    joined = (2 * height, width) if masked else (height, 2 * width)
    sizes = [latent_size, latent_size, joined] + [joined] * (steps if eta > 0 else 0)
    return [torch.randn(batch, channels, *size, generator=generator) for size in sizes]


def try_on(unet, vae, person, garment, mask, *, steps, guidance, eta, noise: Iterable[torch.Tensor]) -> torch.Tensor:
    """Pictures [B, 3, H, W] in [-1, 1], mask [B, 1, H, W] or None (mask-free) -> [B, H, W, 3] in [0, 1].

    Everything runs in the models' dtype, as the reference's pipeline does.
    """
    noise = (drawn.to(unet.dtype) for drawn in noise)
    join = -2 if mask is not None else -1  # person above garment, or left of it

    def encode(picture):
        posterior = vae.encode(picture.to(vae.dtype)).latent_dist
        return (posterior.mean + posterior.std * next(noise)) * vae.config.scaling_factor

    person_latents = encode(person if mask is None else person * (mask < 0.5))
    garment_latents = encode(garment)
    condition = torch.cat([person_latents, garment_latents], dim=join)
    unconditional = torch.cat([person_latents, torch.zeros_like(garment_latents)], dim=join)
    extra = []
    if mask is not None:
        small = interpolate(mask, size=person_latents.shape[-2:], mode="nearest").to(unet.dtype)
        extra = [torch.cat([small, torch.zeros_like(small)], dim=join)]

    scheduler = sd15_scheduler()
    scheduler.set_timesteps(steps)
    latents = next(noise) * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        conditional_input = torch.cat([latents, *extra, condition], dim=1)
        if guidance > 1:
            unconditional_input = torch.cat([latents, *extra, unconditional], dim=1)
            both = torch.cat([unconditional_input, conditional_input])
            uncond, cond = run_unet(unet, both, t).chunk(2)
            eps = uncond + guidance * (cond - uncond)
        else:
            eps = run_unet(unet, conditional_input, t)
        drawn = next(noise) if eta > 0 else None
        latents = scheduler.step(eps, t, latents, eta=eta, variance_noise=drawn).prev_sample

    person_half, _ = latents.chunk(2, dim=join)
    decoded = vae.decode(person_half / vae.config.scaling_factor).sample
    return (decoded.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
