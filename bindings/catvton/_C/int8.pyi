"""
Products of eight-bit integers, by themselves
"""

from __future__ import annotations

import torch

__all__: list[str] = ["conv2d", "linear", "quantize", "works"]

def conv2d(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, stride: int, padding: int) -> torch.Tensor:
    """
    conv2d, x and weight rounded to eight bits.
    """

def linear(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, residual: torch.Tensor | None = None
) -> torch.Tensor:
    """
    linear(x, weight, bias) + residual, x and weight rounded to eight bits.
    """

def quantize(x: torch.Tensor) -> tuple[torch.Tensor, float, int]:
    """
    uint8 values, scale and zero point: x = (values - zero_point) * scale, up to rounding.
    """

def works() -> bool:
    """
    Whether this CPU and torch have them, and they compute rightly.
    """
