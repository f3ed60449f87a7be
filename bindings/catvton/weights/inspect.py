"""What a file of weights is, told from the names and shapes in it without reading a tensor."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

from .._native import C
from .attention import KINDS, attention_kind
from .files import WeightsError, WeightsFile, open_weights

Shapes = dict[str, tuple[int, ...]]

CHECKPOINT = "a Stable Diffusion checkpoint"

# What the names of a network begin with.
UNET = ("down_blocks.", "up_blocks.", "time_embedding.")
VAE = ("encoder.down_blocks.", "encoder.mid_block.", "decoder.up_blocks.", "decoder.mid_block.")

# Marks in names -> what such a file is, first match counts.
_OTHERS = (
    ("lora", "a LoRA"),
    ("controlnet_cond_embedding.", "a ControlNet"),
    ("control_model.", "a ControlNet"),
    ("double_blocks.", "a FLUX model"),
    ("joint_blocks.", "a Stable Diffusion 3 model"),
    ("conditioner.embedders.", "a Stable Diffusion XL checkpoint"),
    ("text_model.", "a text encoder"),
    ("special_care_embeds", "a safety checker"),
)


@dataclass(frozen=True)
class FileSummary:
    """What `inspect` found. Counts of parameters are CatVTON's: a UNet without its skipped cross-attentions."""

    path: Path
    what: str  # "a UNet", "a VAE", "a CatVTON attention checkpoint", "a Stable Diffusion checkpoint", "a LoRA", ...
    spelling: str  # "diffusers", "original", "checkpoint", "attention", "unknown"
    dtypes: dict[str, int]  # "F32" -> number of tensors
    tensors: int
    kind: str | None = None  # "masked", "mask-free", or None where that is not known
    in_channels: int | None = None  # of the UNet
    unet_parameters: int = 0
    vae_parameters: int = 0
    attention_parameters: int = 0  # the trained self-attentions, of a UNet or an attention checkpoint
    metadata: dict[str, str] = field(default_factory=dict)
    config: dict[str, object] = field(default_factory=dict)  # of the network alone in a file: block_out_channels, ...

    def __str__(self) -> str:
        dtypes = ", ".join(f"{count} {dtype}" for dtype, count in self.dtypes.items())
        lines = [f"{self.path}: {self.what}" + (f", {self.kind}" if self.kind else ""), f"  tensors     {dtypes}"]
        lines.append(f"  names       {self.spelling}")
        for label in ("unet", "vae", "attention"):
            if count := getattr(self, f"{label}_parameters"):
                lines.append(f"  {label:11} {count:,} parameters")
        lines += [f"  {name:11} {value}" for name, value in self.config.items()]
        return "\n".join(lines)


def inspect(path: str | Path) -> FileSummary:
    """Tells what a file of weights is, from its names and shapes alone.

    Raises FileNotFoundError, and WeightsError where it is no file of weights or a damaged one.
    """
    return summary(open_weights(path))


def summary(file: WeightsFile) -> FileSummary:
    spelling = C.names.spelling(list(file.entries))
    unet, vae = _part(file, C.names.unet_name, spelling), _part(file, C.names.vae_name, spelling)
    has_unet, has_vae = (any(name.startswith(marks) for name in part) for part, marks in ((unet, UNET), (vae, VAE)))
    is_checkpoint = spelling == C.names.Spelling.checkpoint
    what = next(
        (name for mark, name in _OTHERS if any(mark in key for key in file.entries)), "nothing that CatVTON has"
    )
    is_attention = False
    if is_checkpoint and what != "a Stable Diffusion XL checkpoint":
        what = CHECKPOINT
    elif spelling == C.names.Spelling.attention and _numbers_attentions(file.entries):
        what, is_attention = "a CatVTON attention checkpoint", True
    elif has_vae:
        what = "a VAE"
    elif has_unet and what not in ("a ControlNet", "a LoRA"):
        what = "a UNet"
    conv_in = unet.get("conv_in.weight", ())
    in_channels = conv_in[1] if len(conv_in) == 4 else None
    return FileSummary(
        path=file.path,
        what=what,
        spelling=str(spelling).split(".")[-1],
        dtypes=dict(Counter(entry.dtype for entry in file.entries.values()).most_common()),
        tensors=len(file.entries),
        kind=attention_kind(file) if is_attention else KINDS.get(in_channels),
        in_channels=in_channels,
        unet_parameters=_count(unet) if has_unet else 0,
        vae_parameters=_count(vae) if has_vae else 0,
        attention_parameters=_count(
            {name: entry.shape for name, entry in file.entries.items()}
            if is_attention
            else {name: shape for name, shape in unet.items() if ".attn1." in name}
        ),
        metadata=file.metadata,
        config=_config(unet, C.UNetConfig) if has_unet else _config(vae, C.VAEConfig) if has_vae else {},
    )


def _numbers_attentions(keys: Iterable[str]) -> bool:
    """Whether numbered names are of self-attentions, as published or by the aliases of the same tensors."""
    return any(".to_q." in key for key in keys) or all(re.fullmatch(r"\d+\.(0\.)?(weight|bias)", key) for key in keys)


def _part(file: WeightsFile, name_of: Callable, spelling) -> Shapes:
    named = ((name_of(key, spelling), entry.shape) for key, entry in file.entries.items())
    return {name: shape for name, shape in named if name is not None}


def _count(shapes: Shapes) -> int:
    return sum(prod(shape) for shape in shapes.values())


def _config(shapes: Shapes, kind) -> dict[str, object]:
    try:
        config = kind.infer(shapes)
    except (ValueError, IndexError):
        return {}
    names = ("in_channels", "out_channels", "latent_channels", "block_out_channels", "layers_per_block")
    return {name: getattr(config, name) for name in names if hasattr(config, name)}


def must_be(file: WeightsFile, wanted: str) -> None:
    """Raises WeightsError if `file` is something else than `wanted` ("a UNet", "a VAE", ...)."""
    found = summary(file).what
    if found == wanted or (found == CHECKPOINT and wanted in ("a UNet", "a VAE")):
        return
    some = ", ".join([*list(file.entries)[:3], "..."])
    raise WeightsError(
        f"{file.path} is {found}, and {wanted} is needed here. It holds {len(file.entries)} tensors: {some}"
    )
