"""On the device as on a CPU: every operator, the networks in three dtypes, whole runs of the reference."""

import numpy as np
import pytest
import torch

import catvton
from catvton import doctor, modes
from catvton._native import C
from golden_run import TRACES, run_again
from support import diffusers_unet, diffusers_vae, error, native_unet, native_vae, run_unet

DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def test_every_operator_computes_rightly(device):
    """What `catvton doctor` finds: at most twice the error of torch's own function in the dtype, in every dtype."""
    rows = doctor.check_operators(C.ops)
    here = str(device) if device.index is not None or device.type == "cpu" else f"{device}:0"
    assert [row["problems"] for row in rows if row["problems"]] == []
    results = [result for row in rows for column, result in row["results"].items() if column.startswith(here)]
    assert len(results) > 60 and results.count("ok") > 50


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_no_kernel_is_switched_off(device, dtype):
    with torch.inference_mode():
        chosen = C.ops.implementations(torch.empty(0, device=device, dtype=dtype))
    assert not [found for found in chosen.items() if "(" in found[1]]  # in brackets stands why a kernel is off
    if device.type == "cuda" and C.__cuda_architectures__:
        atens = {"attention", "linear", "conv2d"}
        assert {chosen[name] for name in set(chosen) - atens} == {"cuda"}


def as_good(ours, theirs, exact):
    """float32: the gate of every parity test. Below: at most twice diffusers' own distance from float32."""
    if ours.dtype == torch.float32:
        return error(ours.cpu(), exact) <= 1e-5
    return (ours.cpu() - exact).norm() <= 2 * (theirs.cpu() - exact).norm()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_unet(device, dtype, channels_last):
    layout = {"block_out_channels": (64, 128), "attention_head_dim": 2}
    theirs = diffusers_unet(**layout)
    sample, timesteps = torch.randn(2, 9, 24, 16), torch.tensor([981.0, 21.0])
    with torch.inference_mode():
        exact = run_unet(theirs, sample, timesteps)
        theirs = theirs.to(device, dtype)
        there = sample.to(device, dtype)
        if channels_last:
            there = there.to(memory_format=torch.channels_last)
        ours = native_unet(theirs)(there, timesteps.to(device))
        assert as_good(ours, run_unet(theirs, there, timesteps.to(device)), exact)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_vae(device, dtype):
    theirs = diffusers_vae()
    picture, latents = torch.rand(1, 3, 48, 32) * 2 - 1, torch.randn(1, 4, 24, 16)
    with torch.inference_mode():
        exact_mean, exact = theirs.encode(picture).latent_dist.mean, theirs.decode(latents).sample
        theirs = theirs.to(device, dtype)
        ours = native_vae(theirs)
        picture, latents = picture.to(device, dtype), latents.to(device, dtype)
        assert as_good(ours.encode(picture)[0], theirs.encode(picture).latent_dist.mean, exact_mean)
        assert as_good(ours.decode(latents), theirs.decode(latents).sample, exact)


@pytest.mark.parametrize("name", [name for name in TRACES if "s50" not in name])
def test_the_reference_run_on_the_device(device, golden, name):
    trace, taps, result, manifest = run_again(golden, name, device)
    final = f"step.{manifest['steps'] - 1:03d}.prev_sample"
    assert error(taps[final], trace[final]) <= 1e-4  # other convolution algorithms sum in other orders, step after step
    assert ((result[0] * 255).round().int() - trace["final.u8"].int()).abs().max() <= 1


@pytest.mark.parametrize("mode", modes.MODES)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_memory_modes_give_the_same_picture(device, case, mode, dtype):
    if device.type == "cpu" and dtype == "float16":
        pytest.skip("no CPU computes quickly in float16")
    whole = catvton.TryOn.load("demo", device=device, dtype=dtype)
    options = {"steps": 4, "seed": 1, "guidance": 1.5}
    expected = whole(*case, memory="normal", **options).image
    found = catvton.TryOn.load("demo", device=device, dtype=dtype, memory=mode)(*case, memory=mode, **options).image
    apart = np.abs(np.asarray(found, np.int16) - np.asarray(expected, np.int16))
    assert apart.max() <= (1 if dtype == "float32" else 8) and apart.mean() < 0.1


def test_a_seed_means_the_same_as_on_a_cpu(device, case):
    on_cpu = catvton.TryOn.load("demo", device="cpu")(*case, steps=4, seed=1, guidance=1.5).image
    found = catvton.TryOn.load("demo", device=device, dtype="float32")(*case, steps=4, seed=1, guidance=1.5).image
    assert np.abs(np.asarray(found, np.int16) - np.asarray(on_cpu, np.int16)).max() <= 2


def test_eight_bits(device, case):
    tryon = catvton.TryOn.load("demo", device=device, weights_dtype="float8_e4m3")
    assert tryon(*case, steps=2, seed=1).image.size == case[0].size
