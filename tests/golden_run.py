"""A run of the reference implementation, done again by the engine: its models, pictures and noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.autoencoders import AutoencoderKL
from safetensors.torch import load_file

from catvton._native import C
from support import native_unet, native_vae

TRACES = (
    "masked/tiny_128x96_s4_g1.0_e1.0",
    "masked/tiny_128x96_s4_g2.5_e0.0",
    "masked/tiny_128x96_s4_g2.5_e1.0",
    "masked/tiny_128x96_s50_g2.5_e1.0",
    "masked/tiny_136x104_s4_g2.5_e1.0",
    "maskfree/tinyp2p_128x96_s4_g2.5_e1.0",
    "maskfree/tinyp2p_128x96_s50_g2.5_e1.0",
)


class Processor(torch.nn.Module):
    """The reference's attention processors are modules: the eighth of every attention in its list."""


def load_models(folder, device, pack):
    unet = UNet2DConditionModel.from_pretrained(folder / "base" / "unet")
    for name, module in unet.named_modules():
        if name.endswith("attn1"):
            module.set_processor(Processor())
    # As the reference loads its attention: the list of every module whose name contains attn1.
    trained = torch.nn.ModuleList(module for name, module in unet.named_modules() if "attn1" in name)
    attention = load_file(folder / "attn" / "mix-48k-1024" / "attention" / "model.safetensors")
    assert not trained.load_state_dict(attention, strict=False).unexpected_keys
    vae = AutoencoderKL.from_pretrained(folder / "vae")
    return native_unet(unet.to(device), pack), native_vae(vae.to(device), pack)


def keys_in_order(trace, prefix):
    return sorted(key for key in trace if key.startswith(prefix))


def run_again(
    golden: Path, name: str, device: str | torch.device = "cpu", pack: bool = False
) -> tuple[dict, dict, torch.Tensor, Any]:
    """(trace, taps, result, manifest) of one golden run, with the trace's noise; on the CPU, whatever the device."""
    folder = golden / name
    manifest, trace = json.loads((folder / "manifest.json").read_text()), load_file(folder / "trace.safetensors")
    unet, vae = load_models(golden / "models" / manifest["model"], device, pack)
    noise = iter([trace[key].to(device) for key in keys_in_order(trace, "noise.")])
    taps = {}
    with torch.inference_mode():
        result = C.tryon(
            unet,
            vae,
            trace["pre.f32.person"].to(device),
            trace["pre.f32.cloth"].to(device),
            trace["pre.f32.mask"].to(device) if "pre.f32.mask" in trace else None,
            C.DDIMConfig(),
            manifest["steps"],
            manifest["guidance"],
            manifest["eta"],
            noise=lambda shape: next(noise),
            tap=lambda tap, value: taps.setdefault(tap, value.cpu()),  # layers: of step 0, as in the trace
        )
    assert next(noise, None) is None  # all noise was used
    return trace, taps, result.cpu(), manifest
