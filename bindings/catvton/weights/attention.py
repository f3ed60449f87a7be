"""CatVTON's attention checkpoint: the trained self-attentions, 49.57 M parameters, published apart from the base UNet.

The reference saves a list of every submodule whose name contains "attn1". Eight entries a self-attention share tensors,
so the names are 0.to_q.weight, 8.to_q.weight, ...; other tools keep other names of the same tensors.

Masked and mask-free checkpoints have the same names and shapes, and in the wrong base UNet the result is garbage
without an error. So the kind is taken from the file's metadata or its path; where neither tells, it is accepted.
"""

from __future__ import annotations

from pathlib import Path

import torch

from .._native import C
from .files import WeightsError, WeightsFile, save_tensors

KINDS = {9: "masked", 8: "mask-free"}  # channels that the base UNet takes -> kind of model
METADATA_KEY = "catvton.kind"
MASKFREE_MARKS = ("mask-free", "maskfree", "mask_free", "p2p", "pix2pix")
MASKED_NAMES = ("mix-48k-1024", "vitonhd-16k-512", "dresscode-16k-512")  # as published; the first is for every garment


def attention_kind(file: WeightsFile) -> str | None:
    """ "masked" or "mask-free", from the file's metadata or the last five parts of its path; None if neither tells."""
    if kind := file.metadata.get(METADATA_KEY):
        if kind not in KINDS.values():
            raise WeightsError(f"{file.path}: {METADATA_KEY} = {kind!r}; expected {' or '.join(KINDS.values())}.")
        return kind
    parts = [part.lower() for part in file.path.absolute().parts[-5:]]
    if any(mark in part for part in parts for mark in MASKFREE_MARKS):
        return "mask-free"
    if any(name in part for part in parts for name in MASKED_NAMES):
        return "masked"
    return None


def check_kind(file: WeightsFile, base: str, kind: str | None) -> None:
    """Raises WeightsError if the attention in `file` was trained for the other kind of base UNet.

    `kind` is what the user says it is, and wins over what the file and its path say.
    """
    trained = kind or attention_kind(file)
    if trained is None or trained == base:
        return
    channels = {name: count for count, name in KINDS.items()}
    needed = {"masked": "the SD 1.5 inpainting UNet", "mask-free": "the instruct-pix2pix UNet"}[trained]
    raise WeightsError(
        f"{file.path} is the {trained} ({channels[trained]}-channel) attention; the base UNet has {channels[base]} "
        f"channels, as the {base} model needs. Load it into {needed}, or take the {base} attention. If it is {base} "
        f'after all, say so with kind="{base}".'
    )


def attention_keys(file: WeightsFile, config: C.UNetConfig) -> dict[str, list[str]]:
    """Full weight name ("down_blocks.0...attn1.to_q.weight") -> its keys in `file`: one, or several aliases."""
    keys: dict[str, list[str]] = {}
    modules = config.self_attentions
    for key in file.entries:
        keys.setdefault(C.names.attention_name(key, modules), []).append(key)
    return keys


def save_attention(
    unet: C.UNet,
    path: str | Path,
    *,
    kind: str | None = None,
    dtype: torch.dtype = torch.float32,
    metadata: dict[str, str] | None = None,
) -> None:
    """Writes the self-attentions of `unet` as a checkpoint that the reference loads: names, order and dtype (float32).

    `kind` ("masked" or "mask-free") is noted in the file's metadata, as is `metadata`. Without them it is the
    published file's.
    The file appears under its name only when it is complete.
    """
    if kind is not None and kind not in KINDS.values():
        raise ValueError(f"kind: expected {' or '.join(KINDS.values())}, got {kind!r}")
    parameters = unet.parameters
    tensors: dict[str, torch.Tensor] = {}
    for index, module in enumerate(unet.config.self_attentions):
        for weight in ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight", "to_out.0.bias"):
            tensor = parameters[f"{module}.{weight}"].detach()
            tensors[C.names.published_attention_name(index, weight)] = tensor.to("cpu", dtype).contiguous()
    save_tensors(tensors, path, ({METADATA_KEY: kind} if kind else {}) | (metadata or {}))
