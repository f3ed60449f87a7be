"""Packed models: the same results as plain ones and as diffusers, weights that come back bit for bit."""

import os
import subprocess
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
import torch

from catvton import weights
from catvton._native import C
from support import (
    apart,
    diffusers_unet,
    diffusers_vae,
    error,
    native_unet,
    native_vae,
    run_unet,
    unet_config,
    unet_weights,
)

DTYPES = (torch.float32, torch.bfloat16)
SIZES = [(14, 9), (16, 12), (7, 5)]  # of latents; odd ones do not halve evenly
WIDE = {
    "block_out_channels": (80, 160, 320),
    "attention_head_dim": (2, 2, 2),
    "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
    "norm_num_groups": 16,
}
WINOGRAD = {"block_out_channels": (64, 128), "norm_num_groups": 16}  # channels in whole blocks of ops/winograd


def packed(model):
    """The native model with the weights of a diffusers one, packed; skips where this machine cannot."""
    made = native_vae(model, pack=True) if hasattr(model, "encoder") else native_unet(model, pack=True)
    if not made.packed:
        pytest.skip("no packed weights here: torch without oneDNN, or a processor without bfloat16")
    return made


def assert_as_good(ours, theirs, exact):
    """float32: the gate of every parity test. Below: at most twice diffusers' own error in that dtype."""
    if ours.dtype == torch.float32:
        assert error(ours, theirs) <= 1e-5
    else:
        assert apart(ours, exact) <= 2 * apart(theirs, exact)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "layout", [{}, WIDE, WINOGRAD, {"use_linear_projection": True}], ids=["small", "wide", "winograd", "linear"]
)
def test_unet(dtype, size, layout):
    theirs = diffusers_unet(**layout).to(dtype)
    ours = packed(theirs)
    sample, timesteps = torch.randn(2, 9, *size).to(dtype), torch.tensor([981.0, 21.0])
    with torch.inference_mode():
        found, reference = ours(sample, timesteps), run_unet(theirs, sample, timesteps)
        assert_as_good(found, reference, run_unet(theirs.float(), sample.float(), timesteps))
        tapped = ours(sample, timesteps, tap=lambda name, value: None)
    assert torch.equal(tapped, found)  # a tap reads what is computed anyway


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_vae(dtype):
    theirs = diffusers_vae().to(dtype)
    ours = packed(theirs)
    images, latents = torch.rand(1, 3, 16, 12).mul(2).sub(1).to(dtype), torch.randn(1, 4, 8, 6).to(dtype)
    with torch.inference_mode():
        (mean, _), decoded = ours.encode(images), ours.decode(latents)
        their_mean, their_decoded = theirs.encode(images).latent_dist.mean, theirs.decode(latents).sample
        theirs.float()
        assert_as_good(mean, their_mean, theirs.encode(images.float()).latent_dist.mean)
        assert_as_good(decoded, their_decoded, theirs.decode(latents.float()).sample)


@pytest.mark.parametrize("level", ["auto", "avx2"])
def test_weights_follow_the_size_of_the_maps(level):
    """Other sizes and numbers of threads, once and again: without AVX-512 convolutions are packed anew, and nothing
    else changes."""
    theirs = diffusers_unet(**WIDE)
    ours, before = packed(theirs), torch.get_num_threads()
    timesteps = torch.tensor([981.0])
    try:
        C.ops.set_cpu_level(level)
        for threads, *size in [(1, 14, 9), (1, 16, 12), (1, 16, 12), (2, 16, 12), (2, 16, 12), (2, 48, 40), (1, 14, 9)]:
            torch.set_num_threads(threads)
            sample = torch.randn(1, 9, *size)
            with torch.inference_mode():
                assert error(ours(sample, timesteps), run_unet(theirs, sample, timesteps)) <= 1e-5
    finally:
        torch.set_num_threads(before)
        C.ops.set_cpu_level("auto")
    assert all(torch.equal(ours.parameters[name], weight) for name, weight in unet_weights(theirs).items())


def test_threads_of_different_sizes_share_a_model():
    theirs = diffusers_unet()
    ours, timesteps = packed(theirs), torch.tensor([981.0])
    samples = [torch.randn(1, 9, *size) for size in SIZES]
    with torch.inference_mode():
        wanted = [run_unet(theirs, sample, timesteps) for sample in samples]

    def work(number):
        with torch.inference_mode():
            return [error(ours(samples[number], timesteps), wanted[number]) for _ in range(20)]

    with ThreadPoolExecutor(len(SIZES)) as pool:
        assert max(max(found) for found in pool.map(work, range(len(SIZES)))) <= 1e-5
    assert all(torch.equal(ours.parameters[name], weight) for name, weight in unet_weights(theirs).items())


@pytest.mark.parametrize("level", ["aten", "avx2", "avx512"])
def test_a_level_that_is_lowered_after_packing(level):
    theirs = diffusers_unet(**WINOGRAD)
    ours, sample, timesteps = packed(theirs), torch.randn(1, 9, 14, 9), torch.tensor([981.0])
    try:
        C.ops.set_cpu_level(level)
    except ValueError as lacking:
        pytest.skip(str(lacking))
    try:
        with torch.inference_mode():
            assert error(ours(sample, timesteps), run_unet(theirs, sample, timesteps)) <= 1e-5
    finally:
        C.ops.set_cpu_level("auto")


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("make", [diffusers_unet, partial(diffusers_unet, **WINOGRAD), diffusers_vae])
def test_weights_come_back(make, dtype):
    model = make().to(dtype)
    ours = packed(model)
    expected = dict(model.state_dict()) if hasattr(model, "encoder") else unet_weights(model)
    found = ours.parameters
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        assert found[name].layout == torch.strided
        assert torch.equal(found[name], weight), name
    assert ours.like.dtype == dtype and ours.like.numel() == 0


def test_in_bfloat16_the_vae_keeps_direct_convolutions():
    """Where Winograd's would take it farther from float32 than diffusers: turned off, they change the UNet, and of the
    VAE what enlarges, which only the decoder does."""
    code = """
import hashlib, torch
from support import diffusers_unet, diffusers_vae, native_unet, native_vae
unet = native_unet(diffusers_unet(block_out_channels=(64, 128), norm_num_groups=16).bfloat16(), pack=True)
vae = native_vae(diffusers_vae(block_out_channels=(64, 128), norm_num_groups=16).bfloat16(), pack=True)
torch.manual_seed(0)
with torch.inference_mode():
    results = [unet(torch.randn(1, 9, 14, 9).bfloat16(), torch.tensor([981.0]))]
    results.append(vae.encode(torch.rand(1, 3, 16, 12).bfloat16())[0])
    results.append(vae.decode(torch.randn(1, 4, 8, 6).bfloat16()))
for result in results:
    print(hashlib.sha256(result.contiguous().view(torch.int16).numpy().tobytes()).hexdigest())
"""
    if C.ops.implementations(torch.empty(0, dtype=torch.bfloat16))["winograd_conv2d"] == "ATen":
        pytest.skip("no kernel for bfloat16 here")

    def results(**environment):
        path = os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ | {"PYTHONPATH": path} | environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    (unet, encoded, decoded), (direct_unet, directly_encoded, directly_decoded) = (
        results(),
        results(CATVTON_WINOGRAD="0"),
    )
    assert unet != direct_unet and encoded == directly_encoded and decoded != directly_decoded


def test_moving_a_packed_model():
    model = diffusers_unet()
    packed(diffusers_unet().bfloat16())  # skips where only float32 can be packed
    moved = weights.to(packed(model), "bfloat16", pack=True)
    assert moved.packed and moved.like.dtype == torch.bfloat16
    plain = weights.to(moved, "bfloat16")
    assert not plain.packed
    assert all(torch.equal(plain.parameters[n], w.bfloat16()) for n, w in unet_weights(model).items())


def test_packing_empties_the_state():
    """So that no weight is in memory twice; a plain model leaves it alone."""
    model = diffusers_unet()
    state = unet_weights(model)
    count = len(state)
    C.UNet(state, unet_config(model))
    assert len(state) == count
    C.UNet(state, unet_config(model), pack=True)
    assert not state


def test_no_two_weights_are_read_at_once():
    """A mapping may read from a file, whose matrices in float32 would take as much memory again."""
    model = diffusers_unet()
    expected, arrays, most = unet_weights(model), [], 0

    class Reading(dict):
        def pop(self, name):
            nonlocal most
            array = super().pop(name).numpy().copy()  # alive as long as the tensor's memory is
            if array.ndim > 1:
                arrays.append(weakref.ref(array))
                most = max(most, sum(alive() is not None for alive in arrays))
            return torch.from_numpy(array)

    state = Reading(expected)
    ours = C.UNet(state, unet_config(model), pack=True)
    assert not state and most == 1
    assert all(torch.equal(ours.parameters[name], weight) for name, weight in expected.items())


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64], ids=str)
def test_dtypes_without_packing_stay_plain(dtype):
    model = diffusers_unet().to(dtype)
    ours = C.UNet(unet_weights(model), unet_config(model), pack=True)
    assert not ours.packed and ours.like.dtype == dtype


def test_what_does_not_fit_is_reported_as_ever():
    model = diffusers_unet()
    state = unet_weights(model)
    del state["conv_in.weight"]
    with pytest.raises(ValueError, match=r"missing conv_in.weight \[32, 9, 3, 3\]"):
        C.UNet(state, unet_config(model), pack=True)
