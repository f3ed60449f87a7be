"""Sheets of pictures: what a model can do, at a glance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from .._native import C
from ..atomic import replacing
from ..noise import Source
from .samples import Sample, to_model_range

Picture = np.ndarray  # uint8 [H, W, 3]


def write_sheet(rows: list[list[Picture]], path: str | Path) -> None:
    """Rows of equally large pictures as one PNG."""
    sheet = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    with replacing(path) as temporary:
        Image.fromarray(sheet).save(temporary)


def try_on(unet: C.UNet, vae: C.VAE, scheduler: C.DDIMConfig, case: Sample, **options: Any) -> Picture:
    """The engine's try-on of `case`, pasted back into the person outside the mask; options: those of `paint`."""
    return paste(paint(unet, vae, scheduler, case, **options), case)


@torch.no_grad()
def paint(
    unet: C.UNet,
    vae: C.VAE,
    scheduler: C.DDIMConfig,
    case: Sample,
    *,
    steps: int,
    guidance: float,
    seed: int,
    eta: float = 1.0,
    **options: Any,
) -> Picture:
    """The engine's own picture of `case`, which it paints whole. options: others of `C.tryon`."""
    device = unet.like.device
    _, draw = Source.of(seed, None, None, device).next(1)
    picture = C.tryon(
        unet,
        vae,
        person=to_model_range(case["person"])[None].to(device),
        garment=to_model_range(case["garment"])[None].to(device),
        mask=case["mask"][None].float().to(device),
        scheduler=scheduler,
        steps=steps,
        guidance=guidance,
        eta=eta,
        noise=draw,
        **options,
    )[0]  # [H, W, 3]
    return (picture.cpu().numpy() * 255).round().astype(np.uint8)


def paste(result: Picture, case: Sample) -> Picture:
    """`result` inside the mask, the person outside."""
    return np.where(case["mask"].numpy()[0, :, :, None] > 0, result, pixels(case["person"]))


def pixels(planes: torch.Tensor) -> Picture:
    """uint8 [3, H, W] -> [H, W, 3]."""
    return np.ascontiguousarray(planes.numpy().transpose(1, 2, 0))


def masked(case: Sample) -> Picture:
    """The person with mid-grey under the mask, as the model sees it."""
    return np.where(case["mask"].numpy()[0, :, :, None] > 0, np.uint8(128), pixels(case["person"]))
