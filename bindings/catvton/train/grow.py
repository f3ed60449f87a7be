"""A UNet with attention where it had none, so that training can go on with it.

Attention at the outermost level is half of a small UNet's time (docs/training.md): one that has learnt cut and colour
without it can be given it late.
"""

from __future__ import annotations

import torch

from .._native import C
from .networks import Weights, fresh_unet


def grown(unet: C.UNet, heads: int, seed: int = 0) -> C.UNet:
    """`unet` with attention at the outermost level of the way up, float32. It gives what `unet` gives, to the bit.

    heads: of the new attention. The new transformers' last layers are zeros, their other weights fresh, by `seed`.
    Raises ValueError for a UNet that has attention there, and for heads that do not divide the level's channels.
    """
    config = _copied(unet.config)
    channels = config.block_out_channels[0]
    if config.up_block_attention[-1]:
        raise ValueError("the UNet has attention at the outermost level of the way up already")
    if heads < 1 or channels % heads:
        raise ValueError(f"{heads} heads do not divide the {channels} channels of the outermost level")
    config.up_block_attention = [*config.up_block_attention[:-1], True]
    config.attention_heads = [heads, *config.attention_heads[1:]]
    known = unet.parameters
    weights: Weights = {}
    for name, fresh in fresh_unet(config, seed).items():
        if name in known:
            weights[name] = known[name].to(torch.float32)
        else:
            weights[name] = (torch.zeros_like(fresh) if ".proj_out." in name else fresh).to(unet.like.device)
    return C.UNet(weights, config)


def _copied(config: C.UNetConfig) -> C.UNetConfig:
    copy = C.UNetConfig()
    for name in dir(config):
        value = getattr(config, name)
        if not name.startswith("_") and not callable(value) and name != "self_attentions":  # that follows from the rest
            setattr(copy, name, value)
    return copy
