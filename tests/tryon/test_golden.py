"""Every stage of a try-on against traces of the reference implementation: its models, pictures and noise."""

import re

import pytest
import torch
from safetensors.torch import load_file

from golden_run import TRACES, keys_in_order, run_again
from support import assert_close

STAGE, FINAL_LATENTS = 1e-5, 2e-5
PACKED = 2  # times as much: oneDNN sums a convolution in another order, and ops/winograd sums something else


@pytest.fixture(scope="module", params=[(trace, pack) for trace in TRACES for pack in (False, True)], ids=str)
def run(request, golden):
    """With plain weights, and packed as TryOn.load has them on a CPU."""
    name, pack = request.param
    trace, taps, result, manifest = run_again(golden, name, pack=pack)
    return trace, taps, result, manifest | {"allowed": PACKED if pack else 1}


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
            gate = FINAL_LATENTS if key == final or key.startswith("decode.") else STAGE
            assert_close(taps[key], trace[key], manifest["allowed"] * gate, key)


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
