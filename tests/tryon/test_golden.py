"""Every stage of a try-on against traces of the reference implementation: its models, pictures and noise."""

import json
import re

import pytest
import torch
from diffusers import UNet2DConditionModel
from diffusers.models.autoencoders import AutoencoderKL
from safetensors.torch import load_file

from catvton._native import C
from support import assert_close, native_unet, native_vae

STAGE, FINAL_LATENTS = 1e-5, 2e-5
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


def load_models(folder):
    unet = UNet2DConditionModel.from_pretrained(folder / "base" / "unet")
    for name, module in unet.named_modules():
        if name.endswith("attn1"):
            module.set_processor(Processor())
    # As the reference loads its attention: the list of every module whose name contains attn1.
    trained = torch.nn.ModuleList(module for name, module in unet.named_modules() if "attn1" in name)
    attention = load_file(folder / "attn" / "mix-48k-1024" / "attention" / "model.safetensors")
    assert not trained.load_state_dict(attention, strict=False).unexpected_keys
    return native_unet(unet), native_vae(AutoencoderKL.from_pretrained(folder / "vae"))


def keys_in_order(trace, prefix):
    return sorted(key for key in trace if key.startswith(prefix))


@pytest.fixture(scope="module", params=TRACES)
def run(request, golden):
    """(trace, taps, result, manifest) of one golden run done again by the engine, with the noise of the trace."""
    folder = golden / request.param
    manifest, trace = json.loads((folder / "manifest.json").read_text()), load_file(folder / "trace.safetensors")
    unet, vae = load_models(golden / "models" / manifest["model"])
    noise = iter([trace[key] for key in keys_in_order(trace, "noise.")])
    taps = {}
    with torch.inference_mode():
        result = C.tryon(
            unet,
            vae,
            trace["pre.f32.person"],
            trace["pre.f32.cloth"],
            trace.get("pre.f32.mask"),
            C.DDIMConfig(),
            manifest["steps"],
            manifest["guidance"],
            manifest["eta"],
            noise=lambda shape: next(noise),
            tap=lambda name, value: taps.setdefault(name, value),  # layers: of step 0, as in the trace
        )
    assert next(noise, None) is None  # all noise was used
    return trace, taps, result, manifest


def test_every_stage(run):
    trace, taps, _, manifest = run
    stages = [key for key in trace if not key.startswith(("pre.", "noise.", "final."))]
    assert set(stages) <= taps.keys()
    # From the last step's latents on, the engine has come by its own way through all steps.
    final = f"step.{manifest['steps'] - 1:03d}.prev_sample"
    for key in stages:
        if key.endswith(".timestep"):
            assert torch.equal(taps[key], trace[key].expand(taps[key].shape).float()), key
        else:
            assert_close(
                taps[key], trace[key], FINAL_LATENTS if key == final or key.startswith("decode.") else STAGE, key
            )


def test_hiding_and_shrinking_the_mask_is_exact(run):
    """The hidden person to the bit (negative values become -0.0), and the mask's nearest pixels."""
    trace, taps, _, _ = run
    hidden = "vae.masked_person.input"
    assert torch.equal(taps[hidden].view(torch.int32), trace[hidden].view(torch.int32))
    if "pre.f32.mask" in trace:
        assert torch.equal(taps["step.000.unet_in"][:, 4], trace["step.000.unet_in"][:, 4])


def test_the_picture(run):
    trace, _, result, _ = run
    got = (result[0] * 255).round().int()
    assert (got - trace["final.u8"].int()).abs().max() <= 1


def test_steps_are_complete(run):
    _, taps, _, manifest = run
    numbers = {int(match[1]) for name in taps if (match := re.match(r"step\.(\d{3})\.unet_out$", name))}
    assert numbers == set(range(manifest["steps"]))


def test_layers_were_compared(golden):
    """One trace holds the layers of step 0, of UNet and VAE alike."""
    layers = keys_in_order(load_file(golden / "masked/tiny_128x96_s4_g2.5_e1.0/trace.safetensors"), "layer.")
    assert sum(key.startswith("layer.unet.") for key in layers) > 80
    assert sum(key.startswith("layer.vae.") for key in layers) > 25
