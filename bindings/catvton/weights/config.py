"""diffusers' config.json and scheduler_config.json as the engine's configs.

A field that the engine does not have must hold the value that makes it absent; anything else is refused by name rather
than computed wrongly. Missing fields have diffusers' defaults.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .._native import C
from .files import WeightsError

# Numbers beyond these are damage, and would cost memory before the weights could contradict them.
MOST, MOST_LAYERS = 1_000_000, 64

# Field of a UNet2DConditionModel -> the only values that the engine computes.
UNET_FIXED: dict[str, tuple] = {
    "act_fn": ("silu", "swish"),
    "addition_embed_type": (None,),
    "attention_type": ("default",),
    "center_input_sample": (False,),
    "class_embed_type": (None,),
    "class_embeddings_concat": (False,),
    "conv_in_kernel": (3,),
    "conv_out_kernel": (3,),
    "downsample_padding": (1,),
    "dual_cross_attention": (False,),
    "encoder_hid_dim": (None,),
    "encoder_hid_dim_type": (None,),
    "mid_block_only_cross_attention": (None, False),
    "mid_block_scale_factor": (1,),
    "num_class_embeds": (None,),
    "only_cross_attention": (False,),
    "resnet_out_scale_factor": (1,),
    "resnet_skip_time_act": (False,),
    "resnet_time_scale_shift": ("default",),
    "reverse_transformer_layers_per_block": (None,),
    "time_cond_proj_dim": (None,),
    "time_embedding_act_fn": (None,),
    "time_embedding_dim": (None,),
    "time_embedding_type": ("positional",),
    "timestep_post_act": (None,),
}
VAE_FIXED: dict[str, tuple] = {
    "act_fn": ("silu", "swish"),
    "latents_mean": (None,),
    "latents_std": (None,),
    "shift_factor": (None, 0),
}
SCHEDULER_FIXED: dict[str, tuple] = {
    "prediction_type": ("epsilon",),
    "rescale_betas_zero_snr": (False,),
    "thresholding": (False,),
    "trained_betas": (None,),
}


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; WeightsError if there is none."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise WeightsError(f"{path} is no valid JSON ({error}): download it again.") from error
    if not isinstance(fields, dict):
        raise WeightsError(f"{path} holds a {type(fields).__name__}, not the fields of a config.")
    return fields


def unet_config(path: Path) -> C.UNetConfig:
    """The UNet that a config.json describes. Raises WeightsError naming the field and value that is not supported."""
    read = _Fields(path)
    read.expect(UNET_FIXED)
    config = C.UNetConfig()
    config.in_channels = read.number("in_channels", 4)
    config.out_channels = read.number("out_channels", 4)
    config.block_out_channels = read.numbers("block_out_channels", (320, 640, 1280, 1280))
    blocks = len(config.block_out_channels)
    config.down_block_attention = read.blocks(
        "down_block_types", {"CrossAttnDownBlock2D": True, "DownBlock2D": False}, [True, True, True, False]
    )
    config.up_block_attention = read.blocks(
        "up_block_types", {"UpBlock2D": False, "CrossAttnUpBlock2D": True}, [False, True, True, True]
    )
    middle = {"UNetMidBlock2DCrossAttn": True, "UNetMidBlock2D": False}
    config.mid_block_attention = read.blocks("mid_block_type", middle, [True])[0]
    config.layers_per_block = read.per_block("layers_per_block", 2, blocks)
    config.transformer_layers_per_block = read.per_block("transformer_layers_per_block", 1, blocks)
    # diffusers' attention_head_dim is the NUMBER of heads in a UNet (its issue 2011); num_attention_heads came later.
    named = "num_attention_heads" if read.fields.get("num_attention_heads") is not None else "attention_head_dim"
    config.attention_heads = read.per_block(named, 8, blocks)
    config.norm_num_groups = read.number("norm_num_groups", 32)
    config.norm_eps = read.real("norm_eps", 1e-5)
    config.use_linear_projection = read.flag("use_linear_projection", False)
    config.flip_sin_to_cos = read.flag("flip_sin_to_cos", True)
    config.freq_shift = read.real("freq_shift", 0)
    return read.checked(config)


def vae_config(path: Path) -> C.VAEConfig:
    """The AutoencoderKL that a config.json describes. Raises WeightsError naming the field that is not supported."""
    read = _Fields(path)
    read.expect(VAE_FIXED)
    config = C.VAEConfig()
    config.in_channels = read.number("in_channels", 3)
    config.out_channels = read.number("out_channels", 3)
    config.latent_channels = read.number("latent_channels", 4)
    config.block_out_channels = read.numbers("block_out_channels", (64,))
    read.blocks("down_block_types", {"DownEncoderBlock2D": True}, [True])
    read.blocks("up_block_types", {"UpDecoderBlock2D": True}, [True])
    config.layers_per_block = read.number("layers_per_block", 1, MOST_LAYERS)
    config.norm_num_groups = read.number("norm_num_groups", 32)
    config.scaling_factor = read.real("scaling_factor", 0.18215)
    config.mid_block_add_attention = read.flag("mid_block_add_attention", True)
    config.use_quant_conv = read.flag("use_quant_conv", True)
    config.use_post_quant_conv = read.flag("use_post_quant_conv", True)
    return read.checked(config)


def scheduler_config(path: Path) -> C.DDIMConfig:
    """The noise schedule of a scheduler_config.json of any scheduler, read for DDIM as diffusers does.

    A base model's file is PNDM's, DDIM's or another's: what they share is the schedule. One that wants its predictions
    clipped is refused; where the field is missing, that depends on the scheduler it was written for.
    """
    read = _Fields(path)
    read.expect(SCHEDULER_FIXED)
    clips = {"DDIMScheduler", "DDPMScheduler"}  # by default; no other scheduler knows the field
    if read.flag("clip_sample", read.fields.get("_class_name", "DDIMScheduler") in clips):
        raise WeightsError(f"{path}: clip_sample = true is not supported: CatVTON's base has false. Set it to false.")
    config = C.DDIMConfig()
    config.num_train_timesteps = read.number("num_train_timesteps", 1000)
    config.beta_start = read.real("beta_start", 0.0001)
    config.beta_end = read.real("beta_end", 0.02)
    config.beta_schedule = read.choice("beta_schedule", "linear", ("linear", "scaled_linear"))
    config.set_alpha_to_one = read.flag("set_alpha_to_one", True)
    config.steps_offset = read.number("steps_offset", 0)
    config.timestep_spacing = read.choice("timestep_spacing", "leading", ("leading", "trailing", "linspace"))
    return config


class _Fields:
    """A config's fields, read with their types checked; messages name file, field and value."""

    def __init__(self, path: Path):
        self.path, self.fields = path, read_json(path)

    def error(self, name: str, expected: str) -> WeightsError:
        return WeightsError(
            f"{self.path}: {name} = {json.dumps(self.fields[name])} is not supported; expected {expected}."
        )

    def expect(self, fixed: dict[str, tuple]) -> None:
        for name, allowed in fixed.items():
            if name in self.fields and self.fields[name] not in allowed:
                raise self.error(name, " or ".join(json.dumps(value) for value in allowed))

    def number(self, name: str, default: int, most: int = MOST) -> int:
        value = self.fields.get(name, default)
        if type(value) is not int or not 0 <= value <= most:
            raise self.error(name, f"a whole number of at most {most}")
        return value

    def real(self, name: str, default: float) -> float:
        value = self.fields.get(name, default)
        if type(value) not in (int, float):
            raise self.error(name, "a number")
        return float(value)

    def flag(self, name: str, default: bool) -> bool:
        value = self.fields.get(name, default)
        if type(value) is not bool:
            raise self.error(name, "true or false")
        return value

    def choice(self, name: str, default: str, allowed: tuple[str, ...]) -> str:
        value = self.fields.get(name, default)
        if value not in allowed:
            raise self.error(name, " or ".join(allowed))
        return value

    def numbers(self, name: str, default: tuple[int, ...], most: int = MOST) -> list[int]:
        value = self.fields.get(name, list(default))
        if not isinstance(value, list) or any(type(item) is not int or not 0 < item <= most for item in value):
            raise self.error(name, f"a list of whole numbers of at most {most}")
        return value

    def per_block(self, name: str, default: int, blocks: int) -> list[int]:
        """One number for each block; a single one counts for all."""
        if isinstance(self.fields.get(name, default), list):
            return self.numbers(name, (), MOST_LAYERS)
        return [self.number(name, default, MOST_LAYERS)] * blocks

    def blocks(self, name: str, known: dict[str, bool], default: list[bool]) -> list[bool]:
        if name not in self.fields:
            return default
        value = self.fields[name]
        kinds = value if isinstance(value, list) else [value]
        if not all(isinstance(kind, str) and kind in known for kind in kinds) or not kinds:
            raise self.error(name, " or ".join(known))
        return [known[kind] for kind in kinds]

    def checked(self, config):
        try:
            config.check()
        except ValueError as error:
            raise WeightsError(f"{self.path}: {error}") from error
        return config
