"""The UNet's forward for training: optionally in bfloat16, optionally recomputing each block on the way back.

bfloat16 is torch.autocast around the C++ call: it reaches the engine's operators through the dispatcher, and leaves the
float32 weights the masters that the optimizer steps. Measured beside bfloat16 copies of all weights, it is as fast and
its gradients are as near to float32's, and norms stay in float32 on a GPU.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.utils.checkpoint import checkpoint, set_checkpoint_early_stop

from .._native import C

Forward = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def training_forward(unet: C.UNet, device: torch.device, bf16: bool = False, recompute: bool = False) -> Forward:
    """(sample, timesteps) -> predicted noise.

    recompute: keep only what passes between blocks, and compute each block again for its gradients: about a third more
    work for a fraction of the memory.
    """
    call = (lambda sample, timesteps: recomputing(unet, sample, timesteps)) if recompute else unet

    def forward(sample: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            return call(sample, timesteps)

    return forward


def recomputing(unet: C.UNet, sample: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    """unet(sample, timesteps), block by block under torch.utils.checkpoint.

    Early stop is off: it is an exception of Python's thrown in the middle of an operator, and the engine's calls, being
    plain C between us and torch, cannot carry it.
    """
    if not torch.is_grad_enabled():
        return unet(sample, timesteps)
    with set_checkpoint_early_stop(False):
        return _in_blocks(unet, sample, timesteps)


def _in_blocks(unet: C.UNet, sample: torch.Tensor, timesteps: torch.Tensor) -> torch.Tensor:
    def block(stage, *args):
        return checkpoint(stage, *args, use_reentrant=False, preserve_rng_state=False)  # the UNet draws nothing

    h, time = unet.stage_in(sample, timesteps)
    skips = [h]
    layers = unet.config.layers_per_block
    for index in range(len(layers)):
        h, new = block(unet.stage_down, index, h, time)
        skips += new
    h = block(unet.stage_mid, h, time)
    for index, resnets in enumerate(reversed(layers)):
        h = block(unet.stage_up, index, h, time, skips)
        skips = skips[: len(skips) - (resnets + 1)]  # a new list: the old one is the block's for its second pass
    return unet.stage_out(h)
