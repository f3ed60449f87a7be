"""ComfyUI's pictures and masks to what the engine takes, and back. Other nodes share inputs: never changed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

EMPTY_MASK = (64, 64)  # what LoadImage gives for a picture without transparency: all zero, of this size


def pictures(images: torch.Tensor, name: str) -> list[torch.Tensor]:
    """IMAGE [B, H, W, C >= 3] of any float dtype, on any device -> B times float32 [H, W, 3] on the CPU.

    More channels are dropped, as ComfyUI's own nodes do; what overshoots 0..1 by rounding is cut off.
    """
    if images.ndim == 3:
        images = images[None]
    if images.ndim != 4 or images.shape[-1] < 3 or 0 in images.shape:
        raise ValueError(f"{name}: expected an IMAGE [B, H, W, 3], got the shape {list(images.shape)}")
    return list(images[..., :3].detach().to("cpu", torch.float32).clamp(0, 1))


def masks(given: torch.Tensor | None) -> list[torch.Tensor] | None:
    """MASK [B, H, W], [H, W], [B, 1, H, W] or [B, H, W, 1] -> B times float32 [H, W] on the CPU.

    None for none, and for LoadImage's placeholder of 64x64 zeros, which means that the picture had no mask.
    """
    if given is None or is_placeholder(given):
        return None
    if given.ndim == 4 and given.shape[-1] == 1:
        given = given[..., 0]
    given = given.detach().to("cpu", torch.float32).clamp(0, 1)
    return list(given.reshape(-1, *given.shape[-2:]))


def is_placeholder(mask: torch.Tensor) -> bool:
    return tuple(mask.shape[-2:]) == EMPTY_MASK and not bool(mask.any())


def no_mask(is_given: bool) -> str:
    """What to tell somebody whose mask is missing."""
    what = (
        "the mask is Load Image's placeholder for a picture without one (64x64, all black)"
        if is_given
        else "no mask is connected"
    )
    return (
        f"{what}, and a masked model needs one: white where to repaint. Right-click the person's Load Image, Open in "
        "MaskEditor, and paint over the clothes; or connect Mask by Category."
    )


def one(tensors: Sequence[torch.Tensor] | None, name: str) -> torch.Tensor | None:
    """The only one of a batch; ValueError where there are several."""
    if tensors is None:
        return None
    if len(tensors) != 1:
        raise ValueError(f"{name}: expected one picture, got a batch of {len(tensors)}; choose one with ImageFromBatch")
    return tensors[0]


def mask_tensor(mask: np.ndarray) -> torch.Tensor:
    """uint8 [H, W] -> MASK float32 [1, H, W]."""
    return torch.from_numpy(mask.astype(np.float32) / 255)[None]
