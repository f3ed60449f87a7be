"""Attention, convolutions and linear layers of a UNet of SD 1.5 beside torch's, with guidance (batch 2).

Weights are packed once, as a loaded model's are; torch gets channels-last maps and weights. Operations are those of the
plain sum, so that Winograd's convolutions may exceed what the processor does.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from networks import check_same_work
from rounds import Rounds, Row

from catvton._native import C

HEADS = 8
# name -> rows and columns of the joined latents of person and garment, and how far they are halved
PLACES = {
    "quick": {8: (16, 6)},
    "small": {1: (128, 48), 2: (64, 24), 4: (32, 12)},  # 512x384
    "full": {1: (256, 96), 2: (128, 48), 4: (64, 24)},  # 1024x768
}
CHANNELS = {1: 320, 2: 640, 4: 1280, 8: 1280}  # by how far maps are halved
GATES = {torch.float32: 1e-4, torch.bfloat16: 3e-2}  # of the largest value
INT8_GATE = 1e-1


def rows(rounds: Rounds, size: str, dtype: torch.dtype) -> Iterator[Row]:
    """size: "quick", "small" (layers at 512x384) or "full" (also at 1024x768)."""
    yield from _rows(rounds, "small" if size == "full" else size, dtype)
    if size == "full":
        yield from _rows(rounds, "full", dtype)


@torch.inference_mode()
def _rows(rounds: Rounds, size: str, dtype: torch.dtype) -> Iterator[Row]:
    for halved, (height, width) in PLACES[size].items():
        yield _attention(rounds, height * width, CHANNELS[halved], dtype)
    for halved, (height, width) in PLACES[size].items():
        channels = CHANNELS[halved]
        yield from _convolution(rounds, channels, (height, width), dtype)
        if halved > 1:
            yield _upsampling(rounds, channels, (height, width), dtype)
        yield from _linear(rounds, height * width, channels, dtype)


def _attention(rounds: Rounds, tokens: int, channels: int, dtype: torch.dtype) -> Row:
    q, k, v = (_random(2, tokens, HEADS, channels // HEADS, dtype=dtype).transpose(1, 2) for _ in range(3))
    return _compare(
        rounds,
        f"attention: {tokens} tokens, heads of {channels // HEADS}",
        lambda: C.ops.attention(q, k, v),
        lambda: F.scaled_dot_product_attention(q, k, v),
        work=4 * 2 * tokens**2 * channels,
    )


def _convolution(rounds: Rounds, channels: int, size: tuple[int, int], dtype: torch.dtype) -> Iterator[Row]:
    x = _map(channels, size, dtype)
    weight, bias = _weight(channels, channels, 3, 3, dtype=dtype), _random(channels, dtype=dtype)
    plain = weight.to(memory_format=torch.channels_last)
    yield from _in_both(
        rounds,
        f"3x3 convolution: {channels} channels, {size[0]}x{size[1]}",
        lambda packing: C.nn.Conv2d(weight, bias, 1, 1, packing),
        x,
        lambda: F.conv2d(x, plain, bias, padding=1),
        work=2 * 2 * 9 * channels**2 * size[0] * size[1],
    )


def _upsampling(rounds: Rounds, channels: int, size: tuple[int, int], dtype: torch.dtype) -> Row:
    x = _map(channels, size, dtype)
    weight, bias = _weight(channels, channels, 3, 3, dtype=dtype), _random(channels, dtype=dtype)
    plain = weight.to(memory_format=torch.channels_last)
    layer = C.nn.Upsample2D(weight, bias, C.nn.Packing.exact)
    return _compare(
        rounds,
        f"upsampling to twice {size[0]}x{size[1]}: {channels} channels",
        lambda: layer(x),
        lambda: F.conv2d(F.interpolate(x, scale_factor=2.0), plain, bias, padding=1),
        work=2 * 2 * 9 * channels**2 * 4 * size[0] * size[1],
    )


def _linear(rounds: Rounds, tokens: int, channels: int, dtype: torch.dtype) -> Iterator[Row]:
    for inputs, outputs in ((channels, channels), (channels, 8 * channels), (4 * channels, channels)):
        x, bias = _random(2, tokens, inputs, dtype=dtype), _random(outputs, dtype=dtype)
        weight = _weight(outputs, inputs, dtype=dtype)
        yield from _in_both(
            rounds,
            f"linear: {2 * tokens} x {inputs} to {outputs}",
            lambda packing, w=weight, b=bias: C.nn.Linear(w, b, packing),
            x,
            lambda x=x, w=weight, b=bias: F.linear(x, w, b),
            work=2 * 2 * tokens * inputs * outputs,
        )


def _in_both(
    rounds: Rounds, what: str, layer: Callable, x: torch.Tensor, theirs: Callable[[], torch.Tensor], work: float
) -> Iterator[Row]:
    """In the run's dtype beside torch's, and in eight bits beside that."""
    exact = layer(C.nn.Packing.exact)
    yield _compare(rounds, what, lambda: exact(x), theirs, work)
    if C.int8.works():
        int8 = layer(C.nn.Packing.int8)
        dtype = str(x.dtype).removeprefix("torch.")
        yield _compare(rounds, f"{what}, int8", lambda: int8(x), lambda: exact(x), work, f"ours, {dtype}", "int8")


def _compare(
    rounds: Rounds,
    what: str,
    ours: Callable[[], torch.Tensor],
    theirs: Callable[[], torch.Tensor],
    work: float,
    peer: str = "torch",
    unit: str = "",
) -> Row:
    found = ours()
    check_same_work(what, found, theirs(), INT8_GATE if unit else GATES[found.dtype])
    return rounds.compare(what, peer, ours, theirs, work, unit)


def _map(channels: int, size: tuple[int, int], dtype: torch.dtype) -> torch.Tensor:
    return _random(2, channels, *size, dtype=dtype).to(memory_format=torch.channels_last)


def _random(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(shape).to(dtype)


def _weight(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    """Results are about as large as what goes in."""
    return (torch.randn(shape) / math.prod(shape[1:]) ** 0.5).to(dtype)
