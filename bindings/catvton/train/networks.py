"""The networks that training starts from: a base on disk, or one of our own size with fresh weights.

Initial weights follow what was measured to work for small networks on one CPU core: Kaiming's normal distribution for
convolutions, near-zero last layers of every residual branch. torch's defaults never left the mean colour there.
"""

from __future__ import annotations

import math

import torch

from .._native import C
from .randomness import generator

Weights = dict[str, torch.Tensor]

TRAINED = ("attention", "transformer", "unet")
RESIDUAL_ENDS = (".conv2.weight", ".proj_out.weight", ".to_out.0.weight", ".net.2.weight")  # of residual branches
RESIDUAL_GAIN = 0.1
# Brightness, red against green, yellow against blue: pictures vary three times more along the first, so that an
# autoencoder sees no other for thousands of steps. The VAE starts with the others amplified.
OPPONENT = ((1 / 3, 1 / 3, 1 / 3), (1.0, -1.0, 0.0), (0.5, 0.5, -1.0))
CHROMA_GAIN = 4.0
FIRST_LOG_VARIANCE = -6.0  # of the VAE's posterior: little noise until it has learnt to see
DECODER = ("decoder.", "post_quant_conv.")  # of a VAE's weights; the others make latents


def small_unet() -> C.UNetConfig:
    """5.7 M parameters: for latents of 192x144 pictures.

    The outermost level has no attention: measured on one core, it doubles the time of a step (864 tokens against 216).
    """
    config = C.UNetConfig()
    config.block_out_channels = [64, 112, 128]
    config.down_block_attention, config.up_block_attention = [False, True, True], [True, True, False]
    config.layers_per_block = config.transformer_layers_per_block = [1] * 3
    config.attention_heads = [2, 2, 4]
    config.norm_num_groups = 16
    return config


def small_vae() -> C.VAEConfig:
    """1.7 M parameters, eight pixels along an edge of a latent pixel, four channels, as in Stable Diffusion."""
    config = C.VAEConfig()
    config.block_out_channels = [16, 32, 64, 96]
    config.layers_per_block = 1
    config.norm_num_groups = 1  # with 4 or 8 groups it never left the mean colour
    config.scaling_factor = 1.0  # set from the latents once it is trained
    return config


def trained_names(config: C.UNetConfig, names: list[str], what: str) -> list[str]:
    """The weights that `--train what` trains, the paper's ablation: 49.57 M, 223.28 M or all 815.57 M of SD 1.5's."""
    if what == "attention":
        modules = tuple(f"{module}." for module in config.self_attentions)
        return [name for name in names if name.startswith(modules)]
    if what == "transformer":
        return [name for name in names if ".attentions." in name]
    if what == "unet":
        return list(names)
    raise ValueError(f"train {what!r}: expected one of {', '.join(TRAINED)}")


def fresh_unet(config: C.UNetConfig, seed: int) -> Weights:
    weights = _fresh(C.UNet.shapes(config), seed)
    weights["conv_out.weight"].zero_()
    return weights


def fresh_vae(config: C.VAEConfig, seed: int) -> Weights:
    weights = _fresh(C.VAE.shapes(config), seed)
    axes = torch.diag(torch.tensor([1.0, CHROMA_GAIN, CHROMA_GAIN])) @ torch.tensor(OPPONENT)  # [axis, rgb]
    weights["encoder.conv_in.weight"] = torch.einsum("oahw,ac->ochw", weights["encoder.conv_in.weight"], axes)
    weights["decoder.conv_out.weight"] = torch.einsum(
        "ca,aihw->cihw", torch.linalg.inv(axes), weights["decoder.conv_out.weight"]
    )
    last = "quant_conv" if config.use_quant_conv else "encoder.conv_out"
    weights[f"{last}.bias"][config.latent_channels :] = FIRST_LOG_VARIANCE
    weights[f"{last}.weight"][config.latent_channels :] *= RESIDUAL_GAIN
    return weights


def _fresh(shapes: dict[str, list[int]], seed: int) -> Weights:
    weights = {}
    for number, (name, shape) in enumerate(sorted(shapes.items())):
        if len(shape) == 1:
            is_scale = name.endswith("weight")  # of a norm: no other weight has one dimension
            weights[name] = torch.full(shape, 1.0 if is_scale else 0.0)
            continue
        deviation = 1 / math.sqrt(math.prod(shape[1:]))
        if name.endswith(RESIDUAL_ENDS):
            deviation *= RESIDUAL_GAIN
        weights[name] = torch.randn(shape, generator=generator(seed, "weights", number)) * deviation
    return weights
