"""Latents as colours, a pixel for each, for previews. ComfyUI knows SD 1.5's; another VAE is asked for its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

SD15_CHANNELS = [128, 256, 512, 512]  # of the VAE that all published weights use
EXAMPLES = Path(__file__).resolve().parent.parent / "example_inputs"
PICTURES = ("catvton_person", "catvton_top_1", "catvton_top_2", "catvton_trousers")


def latent_colours(vae: Any) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Factors [3, 4] and bias [3] that take a scaled latent to its colour in -1..1: least squares over example
    pictures. None for SD 1.5's VAE. vae: `catvton._C.VAE`."""
    if list(vae.config.block_out_channels) == SD15_CHANNELS:
        return None
    shrink = 2 ** (len(vae.config.block_out_channels) - 1)
    latents, colours = [], []
    with torch.inference_mode():
        for name in PICTURES:
            picture = Image.open(EXAMPLES / f"{name}.png").convert("RGB")
            picture = picture.resize((picture.width // shrink * shrink, picture.height // shrink * shrink))
            pixels = torch.from_numpy(np.asarray(picture, np.float32) / 127.5 - 1)
            pixels = pixels.permute(2, 0, 1)[None]  # [1, 3, H, W]
            mean, _ = vae.encode(pixels.to(vae.like))
            latents.append(mean[0].float().cpu().flatten(1).T * vae.config.scaling_factor)  # [hw, 4]
            colours.append(torch.nn.functional.avg_pool2d(pixels, shrink)[0].flatten(1).T)  # [hw, 3]
        known = torch.cat(latents)
        known = torch.cat([known, torch.ones(len(known), 1)], 1)  # and the bias
        solution = torch.linalg.lstsq(known, torch.cat(colours)).solution  # [5, 3]
    return solution[:-1].T, solution[-1]
