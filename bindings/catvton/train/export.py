"""Trained weights as the engine, and diffusers' tools, read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from .._native import C
from ..atomic import write_json
from ..weights.attention import METADATA_KEY
from ..weights.files import save_tensors

WEIGHTS_FILE = "diffusion_pytorch_model.safetensors"


def save_unet(
    unet: C.UNet,
    folder: str | Path,
    dtype: torch.dtype = torch.float32,
    *,
    is_base: bool = False,
    metadata: dict[str, str] | None = None,
) -> None:
    """A UNet folder, marked as holding CatVTON's trained attention, so that none is looked for beside it.

    is_base: no such mark, for a UNet that is nothing without an attention checkpoint.
    """
    marks = ({} if is_base else {METADATA_KEY: "masked"}) | (metadata or {})
    _save(unet.parameters, Path(folder), unet_json(unet.config), dtype, marks)


def save_vae(vae: C.VAE, folder: str | Path, scaling_factor: float, dtype: torch.dtype = torch.float32) -> None:
    _save(vae.parameters, Path(folder), vae_json(vae.config, scaling_factor), dtype, {})


def save_scheduler(config: C.DDIMConfig, folder: str | Path) -> None:
    names = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "set_alpha_to_one", "steps_offset")
    fields = {name: getattr(config, name) for name in (*names, "timestep_spacing")}
    write_json(
        Path(folder) / "scheduler_config.json",
        {"_class_name": "DDIMScheduler", "clip_sample": False, "prediction_type": "epsilon", **fields},
    )


def unet_json(config: C.UNetConfig) -> dict[str, Any]:
    """diffusers' config.json. A diffusers UNet of it would want cross-attentions, too, which are skipped here."""
    kinds = {
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", config.down_block_attention),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", config.up_block_attention),
    }
    plain = ("in_channels", "out_channels", "block_out_channels", "layers_per_block", "transformer_layers_per_block")
    plain += ("norm_num_groups", "norm_eps", "use_linear_projection", "flip_sin_to_cos", "freq_shift")
    return {
        "_class_name": "UNet2DConditionModel",
        **{name: getattr(config, name) for name in plain},
        **{name: [pair[flag] for flag in flags] for name, (*pair, flags) in kinds.items()},
        "mid_block_type": "UNetMidBlock2DCrossAttn" if config.mid_block_attention else "UNetMidBlock2D",
        "attention_head_dim": config.attention_heads,  # diffusers' word for the number of heads
        "act_fn": "silu",
    }


def vae_json(config: C.VAEConfig, scaling_factor: float) -> dict[str, Any]:
    names = ("in_channels", "out_channels", "latent_channels", "block_out_channels", "layers_per_block")
    names += ("norm_num_groups", "mid_block_add_attention", "use_quant_conv", "use_post_quant_conv")
    blocks = len(config.block_out_channels)
    return {
        "_class_name": "AutoencoderKL",
        **{name: getattr(config, name) for name in names},
        "down_block_types": ["DownEncoderBlock2D"] * blocks,
        "up_block_types": ["UpDecoderBlock2D"] * blocks,
        "scaling_factor": scaling_factor,
        "act_fn": "silu",
    }


def _save(
    weights: dict[str, torch.Tensor], folder: Path, config: dict[str, Any], dtype: torch.dtype, metadata: dict[str, str]
) -> None:
    tensors = {name: weight.detach().to("cpu", dtype).contiguous() for name, weight in weights.items()}
    write_json(folder / "config.json", config)
    save_tensors(tensors, folder / WEIGHTS_FILE, metadata)
