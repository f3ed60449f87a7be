"""What the VAE makes of a sample, and the latents that one visit of it draws.

The VAE is frozen, so mean and standard deviation of its posteriors never change and can be kept; the sample that
training takes of them is drawn afresh each time, as the reference draws it in inference.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .._native import C
from .randomness import generator
from .samples import Sample, to_model_range

PICTURES = ("person", "masked_person", "garment")


@torch.no_grad()
def encode(vae: C.VAE, sample: Sample, device: torch.device) -> dict[str, torch.Tensor]:
    """<picture>.mean, <picture>.std: unscaled float32 [4, h, w] for each of PICTURES; mask: [1, h, w], nearest."""
    person, garment = to_model_range(sample["person"]), to_model_range(sample["garment"])
    mask = sample["mask"].float()
    pictures = torch.stack([person, person * (1 - mask), garment]).to(device)  # [3, 3, H, W]
    mean, std = vae.encode(pictures)  # [3, 4, h, w]
    factor = vae.config.downscale
    encoded = {"mask": mask[:, ::factor, ::factor].contiguous()}
    for number, name in enumerate(PICTURES):
        encoded[f"{name}.mean"], encoded[f"{name}.std"] = mean[number].float().cpu(), std[number].float().cpu()
    return encoded


@dataclass(frozen=True)
class Batch:
    """One pass' input, float32: joined [B, 4, 2h, w], person above garment; mask [B, 1, h, w]."""

    clean: torch.Tensor
    noise: torch.Tensor
    timesteps: torch.Tensor  # int64 [B]
    masked_person: torch.Tensor  # [B, 4, h, w]
    garment: torch.Tensor  # [B, 4, h, w]
    mask: torch.Tensor
    dropped: torch.Tensor  # bool [B]: without the garment's condition


def draw(
    encoded: list[dict[str, torch.Tensor]],
    positions: range,
    seed: int,
    scaling_factor: float,
    timesteps: int,
    dropout: float,
    device: torch.device,
) -> Batch:
    """The batch of these samples at these positions of the run. One garment latent is both what is denoised and what
    conditions it; the person and the masked person are two draws."""
    rows = []
    for sample, position in zip(encoded, positions, strict=True):
        random = generator(seed, "noise", position)
        latents = {}
        for name in PICTURES:
            mean, std = sample[f"{name}.mean"], sample[f"{name}.std"]
            latents[name] = (mean + std * torch.randn(mean.shape, generator=random)) * scaling_factor
        clean = torch.cat([latents["person"], latents["garment"]], 1)  # [4, 2h, w]
        rows.append(
            (
                clean,
                torch.randn(clean.shape, generator=random),
                torch.randint(timesteps, (), generator=random),
                latents["masked_person"],
                latents["garment"],
                sample["mask"],
                torch.rand((), generator=random) < dropout,
            )
        )
    return Batch(*(torch.stack(column).to(device) for column in zip(*rows, strict=True)))
