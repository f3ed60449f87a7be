"""What a run calls while it works."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

OnStep = Callable[[int, int, torch.Tensor], Any]  # steps done, steps in all, joined latents
OnEstimate = Callable[[torch.Tensor], Any]  # persons' latents as they are expected to become, [B, 4, h, w]
Poll = Callable[[], Any]
Tap = Callable[[str, torch.Tensor], Any]  # name and value of an intermediate


def counted(callback: OnStep, before: int, total: int) -> OnStep:
    """`callback` for one part of a longer run: `before` steps came before it, `total` are in all."""
    return lambda step, _, latents: callback(before + step, total, latents)
