"""
Layers of the networks, by themselves
"""

from __future__ import annotations

import typing

import torch

__all__: list[str] = ["Conv2d", "Linear", "Packing", "Upsample2D"]

class Packing:
    """
    What is done with a weight: nothing; as UNet's pack; as UNet.int8.

    Members:

      none

      exact

      int8
    """

    __members__: typing.ClassVar[dict[str, Packing]]
    exact: typing.ClassVar[Packing]
    int8: typing.ClassVar[Packing]
    none: typing.ClassVar[Packing]
    @typing.overload
    def __eq__(self, other: Packing) -> bool: ...
    @typing.overload
    def __eq__(self, other: typing.Any) -> bool: ...
    def __getstate__(self) -> int: ...
    def __hash__(self) -> int: ...
    def __index__(self) -> int: ...
    def __init__(self, value: int) -> None: ...
    def __int__(self) -> int: ...
    @typing.overload
    def __ne__(self, other: Packing) -> bool: ...
    @typing.overload
    def __ne__(self, other: typing.Any) -> bool: ...
    def __repr__(self) -> str: ...
    def __setstate__(self, state: int) -> None: ...
    def __str__(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def value(self) -> int: ...

class Linear:
    def __call__(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        """
        [..., in] -> [..., out]
        """
    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None, packing: Packing = ...) -> None: ...

class Conv2d:
    def __call__(self, x: torch.Tensor, residual: torch.Tensor | None = None) -> torch.Tensor:
        """
        [B, in, H, W] -> [B, out, H', W']
        """
    def __init__(
        self, weight: torch.Tensor, bias: torch.Tensor, stride: int = 1, padding: int = 0, packing: Packing = ...
    ) -> None: ...

class Upsample2D:
    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        """
        [B, C, H, W] -> [B, C, 2 H, 2 W]
        """
    def __init__(self, weight: torch.Tensor, bias: torch.Tensor, packing: Packing = ...) -> None: ...
