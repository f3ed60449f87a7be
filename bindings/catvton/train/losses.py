"""Noise and losses of CatVTON's training: MSE on the noise of the joined latents (arXiv 2407.15886, section 3.4).

All tensors are float32; joined latents are [B, 4, 2h, w], person above garment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

LARGEST = 20.0  # weight of a timestep

Predict = Callable[[torch.Tensor], torch.Tensor]  # noisy joined latents -> predicted noise


@dataclass(frozen=True)
class LossOptions:
    """The published recipe is the default, DREAM aside."""

    dream: float | None = None  # lambda; CatVTON takes 10
    snr_gamma: float | None = None  # Min-SNR weighting (arXiv 2303.09556); 5 is usual
    snr_floor: float | None = None  # the least that Min-SNR counts a timestep for: see noise_loss
    region_weights: tuple[float, float, float] = (1.0, 1.0, 1.0)  # person inside the mask, outside it, garment


def add_noise(clean: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor) -> torch.Tensor:
    """sqrt(a) x0 + sqrt(1 - a) eps; alpha: alphas_cumprod at each sample's timestep, [B]."""
    alpha = alpha.view(-1, 1, 1, 1)
    return alpha.sqrt() * clean + (1 - alpha).sqrt() * noise


def rectified(
    predict: Predict, noisy: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor, power: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """DREAM (arXiv 2312.00210): what the model would add itself is added to input and target. -> noisy, noise

    A first pass without gradients gives the error of the prediction; sqrt(1 - a)^power of it goes into both. A large
    power keeps this to the noisiest timesteps.
    """
    with torch.no_grad():
        error = noise - predict(noisy)
    deviation = (1 - alpha).sqrt().view(-1, 1, 1, 1)
    shift = deviation**power * error
    return noisy + deviation * shift, noise + shift


def noise_loss(
    predicted: torch.Tensor, noise: torch.Tensor, alpha: torch.Tensor, mask: torch.Tensor, options: LossOptions
) -> torch.Tensor:
    """Mean over the batch of each sample's weighted mean square error. mask: {0, 1} at latent size, [B, 1, h, w].

    An error in the noise is an error of 1 / snr in the picture, so weights of clamp(snr) / snr weigh the picture's
    errors by clamp(snr). Min-SNR clamps from above; a floor makes the noisiest timesteps, at which a garment's colour
    and shape are decided, count as well. LARGEST keeps the last of them from ruling a batch.
    """
    inside, outside, garment = options.region_weights
    person = mask * inside + (1 - mask) * outside
    weights = torch.cat([person, torch.full_like(person, garment)], 2)  # [B, 1, 2h, w]
    errors = ((predicted.float() - noise).square() * weights).mean((1, 2, 3))  # [B]
    if options.snr_gamma is not None or options.snr_floor is not None:
        snr = alpha / (1 - alpha)
        errors = errors * (snr.clamp(options.snr_floor, options.snr_gamma) / snr).clamp(max=LARGEST)
    return errors.mean()


def tryon_loss(
    unet: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    clean: torch.Tensor,
    noise: torch.Tensor,
    timesteps: torch.Tensor,
    alphas_cumprod: torch.Tensor,
    mask: torch.Tensor,
    condition: torch.Tensor,
    options: LossOptions,
) -> torch.Tensor:
    """The loss of one batch. clean, noise, condition: joined latents; timesteps: int64 [B]; mask: [B, 1, h, w]."""
    alpha = alphas_cumprod[timesteps]
    joined_mask = torch.cat([mask, torch.zeros_like(mask)], 2)  # [B, 1, 2h, w]

    def predict(noisy: torch.Tensor) -> torch.Tensor:
        return unet(torch.cat([noisy, joined_mask, condition], 1), timesteps.float())  # [B, 9, 2h, w] -> [B, 4, 2h, w]

    noisy = add_noise(clean, noise, alpha)
    if options.dream is not None:
        noisy, noise = rectified(predict, noisy, noise, alpha, options.dream)
    return noise_loss(predict(noisy), noise, alpha, mask, options)


def joined_condition(masked_person: torch.Tensor, garment: torch.Tensor, dropped: torch.Tensor) -> torch.Tensor:
    """[masked person | garment], zeros for the garment where `dropped` (bool [B]), as guidance has them."""
    kept = (~dropped).to(garment.dtype).view(-1, 1, 1, 1)
    return torch.cat([masked_person, garment * kept], 2)
