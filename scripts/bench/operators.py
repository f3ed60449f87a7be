"""The engine's own CPU operators beside torch's, at the sizes that a UNet of SD 1.5 has for a picture of 512x384."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from rounds import Rounds, Row

from catvton._native import C


@torch.inference_mode()
def rows(rounds: Rounds, quick: bool, dtype: torch.dtype) -> Iterator[Row]:
    ops = C.ops
    levels = [(320, 128, 48), (640, 64, 24), (1280, 32, 12)]  # channels, height, width
    for channels, height, width in levels[-1:] if quick else levels:
        tokens = height * width
        weight, bias, shift = torch.randn(3, channels, dtype=dtype).unbind()
        image = torch.randn(1, channels, height, width, dtype=dtype).to(memory_format=torch.channels_last)
        projection = torch.randn(1, tokens, 8 * channels, dtype=dtype)
        hidden = torch.randn(1, tokens, channels, dtype=dtype)

        def norm_silu(x=image, s=shift, w=weight, b=bias):
            return F.silu(F.group_norm(x + s[None, :, None, None], 32, w, b, 1e-5))

        def geglu(x=projection):
            value, gate = x.chunk(2, -1)
            return value * F.gelu(gate)

        def add_and_norm(h=hidden, w=weight, b=bias):
            total = h + F.layer_norm(h, w.shape, w, b)
            return F.layer_norm(total, w.shape, w, b)

        size = f"{channels} channels, {tokens} pixels"
        yield rounds.compare(
            f"shift, GroupNorm, SiLU: {size}",
            "torch, channels last",
            lambda x=image, s=shift[None], w=weight, b=bias: ops.fused_group_norm(x, s, 32, w, b, 1e-5, True),
            norm_silu,
        )
        yield rounds.compare(f"GEGLU: {size}", "torch", lambda x=projection: ops.geglu(x), geglu)
        yield rounds.compare(
            f"h + LayerNorm(h), LayerNorm: {size}",
            "torch",
            lambda h=hidden, w=weight, b=bias: ops.add_and_norm(h, w, b, w, b, 1e-5),
            add_and_norm,
        )
