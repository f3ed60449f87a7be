"""A UNet in eight bits: its numbers are torch's quantised ones, its output that of diffusers with weights and inputs
rounded the same way, and where the processor cannot, it says so."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

import catvton
from catvton import weights
from catvton._native import C
from support import apart, diffusers_unet, diffusers_vae, error, run_unet, unet_config, unet_weights

LEVELS = ("aten", "avx2", "avx512")
WORKS = C.int8.works()
needs_vnni = pytest.mark.skipif(not WORKS, reason="no eight-bit products: a CPU without VNNI, or torch without oneDNN")
# Not rounded: the first and the last layer, and those of timesteps.
KEPT = ("conv_in", "conv_out", "time_embedding", "time_emb_proj")


def quantized(x, level="auto"):
    try:
        C.ops.set_cpu_level(level)
    except ValueError as error:
        pytest.skip(str(error))
    try:
        with torch.inference_mode():
            return C.int8.quantize(x)
    finally:
        C.ops.set_cpu_level("auto")


# ---- activations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@given(
    count=st.one_of(st.integers(1, 70), st.integers(16_000, 17_000)),
    scale=st.sampled_from([1e-20, 1e-3, 1.0, 1e4, 1e30]),
    offset=st.sampled_from([-5.0, -0.1, 0.0, 0.1, 5.0]),
    seed=st.integers(0, 99),
)
def test_every_number_goes_to_the_nearest(level, dtype, count, scale, offset, seed):
    generator = torch.Generator().manual_seed(seed)
    x = (torch.randn(count, generator=generator).add_(offset) * scale).to(dtype)
    values, found_scale, zero_point = quantized(x, level)
    low, high = min(0.0, x.min().item()), max(0.0, x.max().item())
    assert found_scale == pytest.approx((high - low) / 255, rel=1e-6)
    assert zero_point == round(-low / found_scale) and 0 <= zero_point <= 255
    off = (values.double() - zero_point) * found_scale - x.double()
    assert off.abs().max() <= (0.5 + 1e-4) * found_scale  # float32 decides what lies between two of them
    assert torch.equal(values, quantized(x, "aten")[0])


@pytest.mark.parametrize("level", LEVELS)
def test_zero_is_exact_and_alone_it_is_no_problem(level):
    x = torch.tensor([-0.3, 0.0, 0.0, 1.7])
    values, _, zero_point = quantized(x, level)
    assert values[1] == values[2] == zero_point
    values, scale, zero_point = quantized(torch.zeros(5), level)
    assert (values == zero_point).all() and scale > 0


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("place", [0, 20, 99])
def test_what_is_not_finite_makes_the_scale_nan(level, bad, place):
    x = torch.randn(100)
    x[place] = bad
    assert quantized(x, level)[1] != quantized(x, level)[1]


@pytest.mark.parametrize(
    "change",
    [lambda x: x.to(memory_format=torch.channels_last), lambda x: x[:, :, ::2], lambda x: x.permute(3, 0, 2, 1)],
    ids=["channels last", "strided", "permuted"],
)
def test_memory_layouts(change):
    x = change(torch.randn(2, 5, 6, 7))
    values, scale, zero_point = quantized(x)
    assert values.shape == x.shape and ((values.float() - zero_point) * scale - x).abs().max() <= 0.5001 * scale
    if x.is_contiguous(memory_format=torch.channels_last):
        assert values.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("x", [torch.zeros(3, dtype=torch.float16), torch.zeros(3, device="meta")], ids=str)
def test_other_numbers_are_refused(x):
    with pytest.raises(ValueError, match="eight bits are made of float32 or bfloat16 on the CPU, got float"):
        quantized(x)


# ---- the network ----------------------------------------------------------------------------------------------------


def rounded_weight(weight):
    largest = weight.flatten(1).abs().amax(1).view(-1, *[1] * (weight.ndim - 1))
    scale = torch.where(largest > 0, largest / 127, 1.0)
    return (weight / scale).round() * scale


def rounded_input(x):
    values, scale, zero_point = quantized(x)  # that these are right is tested above
    return (values.float() - zero_point) * scale


def in_eight_bits(model):
    """diffusers' UNet, each layer's weight and input rounded before it computes."""
    for name, module in model.named_modules():
        if isinstance(module, (torch.nn.Linear, torch.nn.Conv2d)) and not any(kept in name for kept in KEPT):
            module.weight.data = rounded_weight(module.weight.data)
            module.register_forward_pre_hook(lambda module, inputs: rounded_input(*inputs))
    return model


@needs_vnni
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@given(
    rows=st.integers(1, 40),
    size=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    residual=st.booleans(),
    biased=st.booleans(),
    strided=st.booleans(),
    seed=st.integers(0, 99),
)
def test_linear(dtype, rows, size, residual, biased, strided, seed):
    generator = torch.Generator().manual_seed(seed)
    x, w, b, r = (
        torch.randn(*shape, generator=generator).to(dtype)
        for shape in ((2, rows, size[0]), (size[1], size[0]), (size[1],), (2, rows, size[1]))
    )
    if strided:  # as rows of something larger
        x, r = (torch.cat([t, t], 1)[:, :rows] for t in (x, r))
    with torch.inference_mode():
        found = C.nn.Linear(w, b if biased else None, C.nn.Packing.int8)(x, r if residual else None)
    expected = F.linear(rounded_input(x), rounded_weight(w.float()), b.float() if biased else None)
    assert_equal_but_for_rounding(found, expected + r.float() if residual else expected, dtype)


@needs_vnni
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@given(
    channels=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    size=st.tuples(st.integers(3, 20), st.integers(3, 20)),
    kernel=st.sampled_from([(3, 1, 1), (3, 2, 1), (3, 2, 0), (1, 2, 0)]),  # size, stride, padding
    channels_last=st.booleans(),
    seed=st.integers(0, 99),
)
def test_conv2d(dtype, channels, size, kernel, channels_last, seed):
    generator = torch.Generator().manual_seed(seed)
    width, stride, padding = kernel
    x, w, b = (
        torch.randn(*shape, generator=generator).to(dtype)
        for shape in ((2, channels[0], *size), (channels[1], channels[0], width, width), (channels[1],))
    )
    x = x.to(memory_format=torch.channels_last) if channels_last else x
    with torch.inference_mode():
        found = C.nn.Conv2d(w, b, stride, padding, C.nn.Packing.int8)(x)
    expected = F.conv2d(rounded_input(x), rounded_weight(w.float()), b.float(), stride, padding)
    assert_equal_but_for_rounding(found, expected, dtype)


def assert_equal_but_for_rounding(found, expected, dtype):
    """Sums of whole numbers are exact; what is left is float32's scaling, and roundings to the dtype."""
    assert found.dtype == dtype
    assert error(found, expected) <= (2e-5 if dtype == torch.float32 else 2**-7)


@needs_vnni
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("layout", [{}, {"use_linear_projection": True}], ids=["convolutions", "linear"])
def test_it_is_as_far_off_as_diffusers_with_rounded_numbers(dtype, layout):
    """Not equal to that: where sums differ in their last place, a number tips over to the next of 256, and others after
    it. A layer that rounded too much, or one that did not round, would show."""
    theirs = diffusers_unet(**layout)
    ours = C.UNet.int8({n: w.to(dtype) for n, w in unet_weights(theirs).items()}, unet_config(theirs))
    sample, timesteps = torch.randn(4, 9, 16, 12).to(dtype), torch.tensor([981.0, 21.0, 501.0, 301.0])
    with torch.inference_mode():
        exact = run_unet(theirs, sample.float(), timesteps)
        rounded = run_unet(in_eight_bits(theirs), sample.float(), timesteps)
        found = ours(sample, timesteps)
    assert found.dtype == dtype and ours.like.dtype == dtype
    most = 1.3 if dtype == torch.float32 else 2  # bfloat16 has errors of its own
    assert 0.7 < apart(found, exact) / apart(rounded, exact) < most


@needs_vnni
def test_weights_are_rounded_once_and_take_a_quarter():
    model = diffusers_unet()
    expected = unet_weights(model)
    state = dict(expected)
    ours = C.UNet.int8(state, unet_config(model))
    assert not state and ours.packed and ours.in_eight_bits
    found = ours.parameters
    assert found.keys() == expected.keys()
    for name, weight in expected.items():
        rounded = weight.ndim > 1 and not any(kept in name for kept in KEPT)
        torch.testing.assert_close(found[name], rounded_weight(weight) if rounded else weight, rtol=1e-6, atol=1e-8)
    plain = C.UNet(expected, unet_config(model))
    assert not plain.in_eight_bits
    kept = sum(w.nbytes for n, w in expected.items() if w.ndim == 1 or any(k in n for k in KEPT))
    assert ours.weight_bytes - kept < 0.3 * (plain.weight_bytes - kept)


@needs_vnni
def test_upsampling_in_bfloat16_keeps_its_bits():
    if C.ops.implementations(torch.empty(0, dtype=torch.bfloat16))["winograd_conv2d"] == "ATen":
        pytest.skip("no kernel of the engine's own for it here")
    model = diffusers_unet(block_out_channels=(64, 128), norm_num_groups=16).bfloat16()
    expected = unet_weights(model)
    found = C.UNet.int8(dict(expected), unet_config(model)).parameters
    upsamplers = {name for name in expected if ".upsamplers." in name and name.endswith("weight")}
    same = {name for name, weight in expected.items() if weight.ndim > 1 and torch.equal(found[name], weight)}
    assert upsamplers and same == upsamplers | {
        n for n in expected if n.endswith("weight") and any(k in n for k in KEPT)
    }


@needs_vnni
def test_token_downsampling_and_batches_of_any_size():
    """What q takes and what k and v take are rounded apart; a row of a batch does not change the others' sizes."""
    model = diffusers_unet()
    ours = C.UNet.int8(unet_weights(model), unet_config(model))
    with torch.inference_mode():
        for batch, height, width in ((1, 14, 9), (3, 16, 12), (1, 6, 5)):
            sample, timesteps = torch.randn(batch, 9, height, width), torch.full((batch,), 501.0)
            assert apart(ours(sample, timesteps), run_unet(model, sample, timesteps)) < 0.1


# ---- where it cannot be ---------------------------------------------------------------------------------------------


def test_only_on_a_cpu_and_not_in_float16(tmp_path):
    model = diffusers_unet()
    model.save_pretrained(tmp_path)
    for options in ({"dtype": "float16"}, {"device": "meta"}):
        with pytest.raises(ValueError, match="int8 weights are for a CPU, in float32 or bfloat16"):
            weights.load_unet(tmp_path, int8=True, **options)


@needs_vnni
def test_a_processor_without_vnni_is_refused():
    """oneDNN confined to AVX2, where products of eight bits are summed in sixteen, which overflow."""
    code = (
        "import catvton; from catvton._native import C\n"
        "print(C.int8.works())\n"
        "try: catvton.TryOn.load('demo', device='cpu', weights_dtype='int8')\n"
        "except ValueError as error: print(error)\n"
    )
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.strip().splitlines()
    assert first == "False" and "a CPU with VNNI" in second


@needs_vnni
def test_a_try_on_in_eight_bits(tmp_path):
    diffusers_unet().save_pretrained(tmp_path / "unet")
    diffusers_vae().save_pretrained(tmp_path / "vae")
    options = {"unet": tmp_path / "unet", "vae": tmp_path / "vae", "device": "cpu"}
    exact, small = catvton.TryOn.load(**options), catvton.TryOn.load(**options, weights_dtype="int8")
    rng = np.random.default_rng(0)
    person, garment = rng.integers(0, 256, (2, 64, 48, 3), np.uint8)
    mask = np.pad(np.full((34, 32), 255, np.uint8), ((16, 14), (8, 8)))
    found, wanted = (
        np.asarray(tryon(person, garment, mask, seed=5, steps=2, height=64, width=48, paste_back=False).image, float)
        for tryon in (small, exact)
    )
    assert 0 < np.abs(found - wanted).mean() < 4
    assert small.to("cpu") is small
    with pytest.raises(ValueError, match="a model in int8 keeps its device and dtype"):
        small.to(dtype="bfloat16")
