"""
ATen's operators as the engine calls them
"""

from __future__ import annotations

import collections.abc
import typing

import torch

import catvton._C

__all__: list[str] = [
    "add",
    "add_and_norm",
    "add_bias_and_residual",
    "attends_in_int8",
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
    "expand_float8",
    "full",
    "fused_group_norm",
    "geglu",
    "gelu",
    "group_norm",
    "guided_step",
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
    "unet_input",
    "var_mean",
    "winograd_conv2d",
    "winograd_repack",
    "winograd_upsample_conv2d",
    "zeros_like",
]

def add(arg0: torch.Tensor, arg1: torch.Tensor) -> torch.Tensor: ...
def add_and_norm(
    h: torch.Tensor,
    weight_1: torch.Tensor,
    bias_1: torch.Tensor,
    weight_2: torch.Tensor,
    bias_2: torch.Tensor,
    eps: float,
    residual: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    h + layer_norm(h, 1), and layer_norm of that, 2; h with `residual` added.
    """

def add_bias_and_residual(y: torch.Tensor, bias: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
    """
    y + bias + residual, the bias along the channels of y: [B, C, H, W].
    """

def attends_in_int8(arg0: torch.Tensor) -> bool: ...
def attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, int8_scores: bool = False
) -> torch.Tensor: ...
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
def expand_float8(values: torch.Tensor, scale: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """
    values * scale in the dtype of `like`; values: float8_e4m3fn [out, ...], scale: float32 [out, 1, ...].
    """

def full(arg0: collections.abc.Sequence[int], arg1: float, arg2: torch.Tensor) -> torch.Tensor: ...
def fused_group_norm(
    x: torch.Tensor,
    shift: torch.Tensor | None,
    groups: int,
    weight: torch.Tensor,
    bias: torch.Tensor,
    eps: float,
    silu: bool,
    conv_bias: torch.Tensor | None = None,
) -> torch.Tensor:
    """
    silu(group_norm(x + shift + conv_bias)).
    """

def geglu(arg0: torch.Tensor) -> torch.Tensor: ...
def gelu(arg0: torch.Tensor) -> torch.Tensor: ...
def group_norm(arg0: torch.Tensor, arg1: int, arg2: torch.Tensor, arg3: torch.Tensor, arg4: float) -> torch.Tensor: ...
def guided_step(
    step: catvton._C.DDIMStep,
    estimate: torch.Tensor,
    guidance: float,
    sample: torch.Tensor,
    noise: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """
    Guidance and DDIM together -> pred_x0, prev_sample, float32 as sample and noise, whatever estimate is in.
    estimate: [2B, ...], the unconditional half first, where guidance is above 1, else [B, ...].
    """

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
def unet_input(
    latents: torch.Tensor,
    person: torch.Tensor,
    garment: torch.Tensor,
    mask: torch.Tensor | None,
    guided: bool,
    like: torch.Tensor,
    channels_last: bool = False,
) -> torch.Tensor:
    """
    [latents | mask | condition] in channels, person and garment joined, in the dtype of `like`.
    latents: [B, C, joined]; person, garment: [B, C, h, w]; mask: [B, 1, h, w], of a masked model: joined in height,
    without: in width. guided: the unconditional branch, without the garment, comes first.
    """

def var_mean(arg0: torch.Tensor, arg1: int) -> tuple[torch.Tensor, torch.Tensor]: ...
def winograd_conv2d(
    x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, residual: torch.Tensor | None = None
) -> torch.Tensor:
    """
    conv2d(x, weight, bias, padding=1) + residual, 3x3; by the kernel that is for this weight, if there is one.
    """

def winograd_repack(weight: torch.Tensor) -> torch.Tensor | None:
    """
    The weight packed and written out anew; None if no kernel here is for it.
    """

def winograd_upsample_conv2d(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """
    winograd_conv2d of x enlarged to twice its size, nearest, without making that map.
    """

def zeros_like(arg0: torch.Tensor) -> torch.Tensor: ...
