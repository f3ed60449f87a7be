"""
Numbers in eight bits
"""

from __future__ import annotations

import torch

__all__: list[str] = ["quantize", "works"]

def quantize(x: torch.Tensor) -> tuple[torch.Tensor, float, int]:
    """
    uint8 values, scale and zero point: x = (values - zero_point) * scale, up to rounding.
    """

def works() -> bool:
    """
    Whether this CPU and torch have products of them, and they compute rightly.
    """
