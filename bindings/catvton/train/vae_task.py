"""Training a small VAE from nothing, by what was measured to work on one CPU core.

    loss = L1 + 0.5 L2 + 0.5 L1 of the pictures' gradients + colour + 5e-4 KL [+ ssim (1 - SSIM)]

Colour is the L1 of pictures 8 times smaller along opponent axes, the chromatic ones counted more. In the first steps it
is alone: without all this four channels come to hold brightness and edges, and after 4000 steps green is still brown.
Small crops first, whole pictures last: the early steps learn what a colour and an edge is, for which a crop suffices.

A decoder can be trained on, as sd-vae-ft-mse was: the encoder stays, so latents stay what they were, and so does every
UNet that was trained on them. Half of what it decodes may be a UNet's own try-ons (`tried_on.TriedOn`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .._native import C
from .export import save_vae
from .networks import DECODER, OPPONENT
from .randomness import generator, shuffled
from .samples import Sample, Source, to_model_range
from .sheets import paste, pixels, write_sheet
from .similarity import similarity
from .tried_on import TriedOn

L2, GRADIENT, KL = 0.5, 0.5, 5e-4
COLOUR = (0.7, 2.7, 2.7)  # of the axes of networks.OPPONENT
COLOUR_ALONE = 0.1  # until this part of the run
SCALED_OVER = 64  # samples that the scaling factor is measured on


@dataclass(frozen=True)
class CropPhase:
    """Until this part of the run, crops of at most `edge` pixels along an edge."""

    until: float
    edge: int


PHASES = (CropPhase(0.15, 32), CropPhase(0.5, 64), CropPhase(0.85, 96), CropPhase(1.0, 2**16))


class VAETask:
    """A `loop.Task`: persons and garments, encoded, sampled and decoded."""

    def __init__(
        self,
        vae: C.VAE,
        data: Source,
        size: tuple[int, int],
        samples: int,
        seed: int,
        bf16: bool = False,
        held_out: Source | None = None,
        export_dtype: torch.dtype = torch.float32,
        decoder_only: bool = False,
        ssim: float = 0.0,
        tried_on: TriedOn | None = None,
    ):
        """samples: of the whole run, which the phases are parts of. decoder_only: of a VAE that is trained already, on
        whole pictures. ssim: weight of 1 - SSIM in the loss. tried_on: every second sample is one of these; only with
        decoder_only, and in batches of two or more."""
        self.vae, self.data, self.size, self.samples = vae, data, size, samples
        self.seed, self.bf16, self.held_out, self.export_dtype = seed, bf16, held_out, export_dtype
        self.decoder_only, self.ssim, self.tried_on = decoder_only, ssim, tried_on
        trained = DECODER if decoder_only else ""
        self.weights = {n: tensor.requires_grad_() for n, tensor in vae.parameters.items() if n.startswith(trained)}
        self.device = next(iter(self.weights.values())).device
        self.course: dict[str, Any] = {"data": data.key, "samples": samples, "bf16": bf16, "decoder only": decoder_only}
        self.course |= {"ssim": ssim} if ssim else {}
        self.course |= {"tried on": tried_on.key} if tried_on else {}

    def loss(self, positions: range) -> torch.Tensor:
        encoded = [position for position in positions if self.tried_on is None or position % 2 == 0]
        pictures = self._crops(encoded)  # [B, 3, H, W]
        shape = self._latent_shape(pictures)
        noise = torch.stack([torch.randn(shape, generator=self._random(position)) for position in encoded])
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            with torch.set_grad_enabled(not self.decoder_only):
                mean, std = self.vae.encode(pictures)
            latents = (mean + std * noise.to(self.device)).float()
            if self.tried_on is not None:
                others, truths = self._tried_on(position for position in positions if position % 2 == 1)
                latents, pictures = torch.cat([latents, others]), torch.cat([pictures, truths])
            decoded = self.vae.decode(latents)
        alone = not self.decoder_only and positions.start < COLOUR_ALONE * self.samples
        return vae_loss(decoded.float(), pictures, mean.float(), std.float(), alone, self.ssim)

    def sheet(self, path: Path) -> None:
        """A row a held-out case: truth, its reconstruction pasted back; garment, its reconstruction."""
        if self.held_out is None:
            return
        rows = []
        for index in range(min(6, len(self.held_out))):
            case = self.held_out.tryon_case(index)
            garment = reconstruct(self.vae, case["garment"])
            rows.append([pixels(case["truth"]), ceiling(self.vae, case), pixels(case["garment"]), garment])
        write_sheet(rows, path)

    def export(self, folder: Path) -> None:
        scale = self.vae.config.scaling_factor if self.decoder_only else self._scaling_factor()
        save_vae(self.vae, folder / "vae", scale, self.export_dtype)

    @torch.no_grad()
    def _scaling_factor(self) -> float:
        """1 / standard deviation of the latents, so that they are as large as the noise they are mixed with."""
        latents = []
        for index in range(min(SCALED_OVER, len(self.data))):
            mean, std = self.vae.encode(torch.stack([to_model_range(p) for p in self._pair(index)]).to(self.device))
            latents.append(mean + std * torch.randn(mean.shape, generator=self._random(-1 - index)).to(self.device))
        return round(float(1 / torch.cat(latents).std()), 4)

    def _tried_on(self, positions: Iterable[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Latents [B, 4, h, w] that the model made, and what they should have become [B, 3, H, W]."""
        items = [self.tried_on[shuffled(self.seed, position // 2, len(self.tried_on))] for position in positions]
        latents, truths = torch.stack([i["latent"] for i in items]), torch.stack([i["truth"] for i in items])
        return latents.to(self.device), to_model_range(truths).to(self.device)

    def _crops(self, positions: Sequence[int]) -> torch.Tensor:
        """A crop of the person or the garment at each position."""
        phases = PHASES[-1:] if self.decoder_only else PHASES
        longest = next(phase.edge for phase in phases if positions[0] <= phase.until * self.samples)
        height, width = (min(edge, longest) for edge in self.size)
        crops = []
        for position in positions:
            random = generator(self.seed, "crop", position)
            pair = self._pair(shuffled(self.seed, position, len(self.data)))
            picture = pair[int(torch.randint(2, (), generator=random))]
            top = int(torch.randint(picture.shape[1] - height + 1, (), generator=random))
            left = int(torch.randint(picture.shape[2] - width + 1, (), generator=random))
            crops.append(to_model_range(picture[:, top : top + height, left : left + width]))
        return torch.stack(crops).to(self.device)

    def _pair(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        sample = self.data.sample(index)
        return sample["person"], sample["garment"]

    def _latent_shape(self, pictures: torch.Tensor) -> tuple[int, int, int]:
        factor = self.vae.config.downscale
        return self.vae.config.latent_channels, pictures.shape[2] // factor, pictures.shape[3] // factor

    def _random(self, position: int) -> torch.Generator:
        return generator(self.seed, "posterior", position)


def vae_loss(
    decoded: torch.Tensor,
    pictures: torch.Tensor,
    mean: torch.Tensor,
    std: torch.Tensor,
    colour_alone: bool = False,
    ssim: float = 0.0,
) -> torch.Tensor:
    """All [B, C, H, W]. The KL divergence is that of N(mean, std) from N(0, 1), averaged over latent elements."""
    error = decoded - pictures
    smaller = torch.nn.functional.avg_pool2d(error, 8, ceil_mode=True)
    axes = torch.tensor(OPPONENT, device=error.device) * torch.tensor(COLOUR, device=error.device)[:, None]
    colour = torch.einsum("ac,bchw->bahw", axes, smaller).abs().mean()
    divergence = KL * 0.5 * (mean.square() + std.square() - 1 - 2 * std.log()).mean()
    if colour_alone:
        return colour + divergence
    edges = (error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()) / 2
    loss = error.abs().mean() + L2 * error.square().mean() + GRADIENT * edges + colour + divergence
    return loss + ssim * (1 - similarity(decoded, pictures)) if ssim else loss


@torch.no_grad()
def reconstruct(vae: C.VAE, picture: torch.Tensor):
    """uint8 [3, H, W], encoded (the mean) and decoded -> uint8 [H, W, 3]."""
    device = next(iter(vae.parameters.values())).device
    mean, _ = vae.encode(to_model_range(picture)[None].to(device))
    decoded = (vae.decode(mean)[0] / 2 + 0.5).clamp(0, 1).mul(255).round().to("cpu", torch.uint8)
    return pixels(decoded)


def ceiling(vae: C.VAE, case: Sample):
    """The best try-on that any UNet could reach with this VAE: the truth encoded, decoded and pasted back."""
    return paste(reconstruct(vae, case["truth"]), case)
