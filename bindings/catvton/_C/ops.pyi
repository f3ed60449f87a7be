"""
ATen's operators as the engine calls them
"""

from __future__ import annotations

import collections.abc
import typing

import torch

__all__: list[str] = [
    "add",
    "add_and_norm",
    "attention",
    "batch_norm",
    "cat",
    "chunk",
    "clamp",
    "conv2d",
    "cos",
    "cpu_level",
    "describe",
    "div",
    "emulate_cuda",
    "exp",
    "full",
    "fused_group_norm",
    "geglu",
    "gelu",
    "group_norm",
    "implementations",
    "layer_norm",
    "less",
    "linear",
    "mul",
    "narrow",
    "pad_zeros",
    "permute",
    "resize_nearest",
    "set_cpu_level",
    "silu",
    "sin",
    "sub",
    "to_dtype_of",
    "to_like",
    "var_mean",
    "zeros_like",
]

def add(arg0: torch.Tensor, arg1: torch.Tensor) -> torch.Tensor: ...
def add_and_norm(
    arg0: torch.Tensor, arg1: torch.Tensor, arg2: torch.Tensor, arg3: torch.Tensor, arg4: torch.Tensor, arg5: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    h + layer_norm(h, 1), and layer_norm of that, 2.
    """

def attention(arg0: torch.Tensor, arg1: torch.Tensor, arg2: torch.Tensor) -> torch.Tensor: ...
def batch_norm(
    arg0: torch.Tensor, arg1: torch.Tensor, arg2: torch.Tensor, arg3: torch.Tensor, arg4: torch.Tensor, arg5: float
) -> torch.Tensor: ...
def cat(arg0: collections.abc.Sequence[torch.Tensor], arg1: int) -> torch.Tensor: ...
def chunk(arg0: torch.Tensor, arg1: int, arg2: int) -> list[torch.Tensor]: ...
def clamp(arg0: torch.Tensor, arg1: float, arg2: float) -> torch.Tensor: ...
@typing.overload
def conv2d(arg0: torch.Tensor, arg1: torch.Tensor, arg2: torch.Tensor | None, arg3: int, arg4: int) -> torch.Tensor: ...
@typing.overload
def conv2d(
    arg0: torch.Tensor, arg1: torch.Tensor, arg2: torch.Tensor | None, arg3: int, arg4: collections.abc.Sequence[int]
) -> torch.Tensor: ...
def cos(arg0: torch.Tensor) -> torch.Tensor: ...
def cpu_level() -> str:
    """
    The CPU instructions that own kernels may use: aten (none), avx2, avx512 or avx512_bf16.
    """

def describe(arg0: torch.Tensor) -> str: ...
def div(arg0: torch.Tensor, arg1: float) -> torch.Tensor: ...
def emulate_cuda(on: bool) -> None:
    """
    For tests: the CUDA kernels' bodies compute for tensors on the CPU, thread by thread.
    """

def exp(arg0: torch.Tensor) -> torch.Tensor: ...
def full(arg0: collections.abc.Sequence[int], arg1: float, arg2: torch.Tensor) -> torch.Tensor: ...
def fused_group_norm(
    x: torch.Tensor,
    shift: torch.Tensor | None,
    groups: int,
    weight: torch.Tensor,
    bias: torch.Tensor,
    eps: float,
    silu: bool,
) -> torch.Tensor: ...
def geglu(arg0: torch.Tensor) -> torch.Tensor: ...
def gelu(arg0: torch.Tensor) -> torch.Tensor: ...
def group_norm(arg0: torch.Tensor, arg1: int, arg2: torch.Tensor, arg3: torch.Tensor, arg4: float) -> torch.Tensor: ...
def implementations(like: torch.Tensor) -> dict[str, str]:
    """
    Our own operators, and what computes each for tensors of the device and dtype of `like`.
    """

def layer_norm(arg0: torch.Tensor, arg1: torch.Tensor, arg2: torch.Tensor, arg3: float) -> torch.Tensor: ...
def less(arg0: torch.Tensor, arg1: float) -> torch.Tensor: ...
def linear(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor: ...
@typing.overload
def mul(arg0: torch.Tensor, arg1: torch.Tensor) -> torch.Tensor: ...
@typing.overload
def mul(arg0: torch.Tensor, arg1: float) -> torch.Tensor: ...
def narrow(arg0: torch.Tensor, arg1: int, arg2: int, arg3: int) -> torch.Tensor: ...
def pad_zeros(arg0: torch.Tensor, arg1: collections.abc.Sequence[int]) -> torch.Tensor: ...
def permute(arg0: torch.Tensor, arg1: collections.abc.Sequence[int]) -> torch.Tensor: ...
def resize_nearest(arg0: torch.Tensor, arg1: int, arg2: int) -> torch.Tensor: ...
def set_cpu_level(name: str) -> None:
    """
    For tests and measurements; "auto" for the most that this CPU has. CATVTON_CPU does the same from outside.
    """

def silu(arg0: torch.Tensor) -> torch.Tensor: ...
def sin(arg0: torch.Tensor) -> torch.Tensor: ...
def sub(arg0: torch.Tensor, arg1: torch.Tensor) -> torch.Tensor: ...
def to_dtype_of(arg0: torch.Tensor, arg1: torch.Tensor) -> torch.Tensor: ...
def to_like(arg0: torch.Tensor, arg1: torch.Tensor) -> torch.Tensor: ...
def var_mean(arg0: torch.Tensor, arg1: int) -> tuple[torch.Tensor, torch.Tensor]: ...
def zeros_like(arg0: torch.Tensor) -> torch.Tensor: ...
