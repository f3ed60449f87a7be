"""Winograd's convolution (cpp/ops/winograd) against torch's in float64, and against the formula with the roundings that
it says it has."""

import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from catvton._native import C
from support import CPU_LEVELS, apart

ops = C.ops
KERNELS = [
    ("avx2", torch.float32, "avx2"),
    ("avx512", torch.float32, "avx512"),
    ("avx512_bf16", torch.bfloat16, "avx512_bf16"),
    ("avx2", torch.bfloat16, "avx2 in float32"),
    ("avx512", torch.bfloat16, "avx512 in float32"),
]
B = torch.tensor([[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]], dtype=torch.float64)
G = torch.tensor([[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]], dtype=torch.float64)
A = torch.tensor([[1, 1, 1, 0], [0, 1, -1, -1]], dtype=torch.float64)
# Of a map that is enlarged to twice its size before it is convolved.
UPSAMPLED_B = torch.tensor([[1, -1, 0], [0, 1, 0], [0, -1, 1]], dtype=torch.float64)
UPSAMPLED_G = torch.tensor([[1, 0, 0], [1, 1, 1], [0, 0, 1]], dtype=torch.float64)
UPSAMPLED_A = torch.tensor([[1, 1, 0], [0, 1, 1]], dtype=torch.float64)


@pytest.fixture(params=KERNELS, ids=lambda kernel: f"{kernel[0]}-{kernel[1]}")
def dtype(request):
    """The dtype of a kernel, while that kernel is chosen."""
    level, dtype, implementation = request.param
    if CPU_LEVELS.index(level) > CPU_LEVELS.index(ops.cpu_level()):
        pytest.skip(f"this CPU has {ops.cpu_level()} at most")
    ops.set_cpu_level(level)
    try:
        found = ops.implementations(torch.empty(0, dtype=dtype))["winograd_conv2d"]
        if found == "ATen":
            pytest.skip("turned off, or a CPU with AMX, which has no need of it")
        assert found == implementation
        yield dtype
    finally:
        ops.set_cpu_level("auto")


def numbers(dtype, batch, channels, out, height, width):
    """x, weight, bias and residual; the result's variance is about 3."""
    x, residual = torch.randn(batch, channels, height, width), torch.randn(batch, out, height, width)
    weight, bias = torch.randn(out, channels, 3, 3) / (3 * channels**0.5), torch.randn(out)
    return [t.to(dtype) for t in (x, weight, bias, residual)]


def convolved(x, weight, bias, residual=None):
    """In float64."""
    x, weight, bias = x.double(), weight.double(), bias.double()
    y = F.conv2d(x, weight, bias, padding=1)
    return y if residual is None else y + residual.double()


def enlarged(x):
    """Twice the size, nearest."""
    return x.repeat_interleave(2, 2).repeat_interleave(2, 3)


def by_the_formula(tiles, weight, bias, matrices):
    """Of tiles [B, C, rows, columns, side, side] in float64, but what is transformed, which is rounded to what is
    multiplied."""
    found = ops.implementations(weight)["winograd_conv2d"]
    multiplied = torch.float32 if "float32" in found else weight.dtype
    b, g, a = matrices
    pixels = (b @ tiles.double() @ b.T).to(multiplied).double()
    taps = (g @ weight.double() @ g.T).to(multiplied).double()  # [out, C, side, side]
    products = torch.einsum("bcyxij,ocij->boyxij", pixels, taps)
    y = (a @ products @ a.T).permute(0, 1, 2, 4, 3, 5)  # [B, out, rows, 2, columns, 2]
    batch, out, rows, _, columns, _ = y.shape
    return y.reshape(batch, out, 2 * rows, 2 * columns) + bias.double()[:, None, None]


def conv2d_by_the_formula(x, weight, bias, residual):
    height, width = x.shape[2:]
    padded = F.pad(x, (1, 1 + width % 2, 1, 1 + height % 2))
    tiles = padded.unfold(2, 4, 2).unfold(3, 4, 2)  # [B, C, rows, columns, 4, 4]
    return by_the_formula(tiles, weight, bias, (B, G, A))[:, :, :height, :width] + residual.double()


def upsample_conv2d_by_the_formula(x, weight, bias):
    tiles = F.pad(x, (1, 1, 1, 1)).unfold(2, 3, 1).unfold(3, 3, 1)  # [B, C, H, W, 3, 3]
    return by_the_formula(tiles, weight, bias, (UPSAMPLED_B, UPSAMPLED_G, UPSAMPLED_A))


any_problem = given(
    batch=st.integers(1, 8),
    channels=st.integers(1, 5).map(lambda blocks: 32 * blocks),
    out=st.integers(1, 4).map(lambda blocks: 64 * blocks),
    height=st.integers(1, 17),
    width=st.integers(1, 17),
    channels_last=st.booleans(),
    seed=st.integers(0, 99),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@any_problem
@example(1, 32, 64, 1, 1, True, 0)
@example(2, 64, 64, 32, 26, True, 0)  # more tiles than output channels: weights are transformed once for all of them
def test_it_is_the_formula(dtype, batch, channels, out, height, width, channels_last, seed):
    torch.manual_seed(seed)
    x, weight, bias, residual = numbers(dtype, batch, channels, out, height, width)
    if channels_last:
        x, residual = x.contiguous(memory_format=torch.channels_last), residual[:, :, :, :]
    got = ops.winograd_conv2d(x, weight, bias, residual)
    assert got.dtype == dtype and got.is_contiguous(memory_format=torch.channels_last)
    # What is left is the result's own rounding, and sums in float32.
    assert apart(got, conv2d_by_the_formula(x, weight, bias, residual)) <= (2e-3 if dtype == torch.bfloat16 else 2e-6)
    assert apart(got, convolved(x, weight, bias, residual)) <= (4e-3 if dtype == torch.bfloat16 else 2e-6)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@any_problem
@example(1, 32, 64, 1, 1, True, 0)
@example(2, 64, 64, 16, 13, True, 0)
def test_of_an_enlarged_map(dtype, batch, channels, out, height, width, channels_last, seed):
    torch.manual_seed(seed)
    x, weight, bias, _ = numbers(dtype, batch, channels, out, height, width)
    if channels_last:
        x = x.contiguous(memory_format=torch.channels_last)
    got = ops.winograd_upsample_conv2d(x, weight, bias)
    assert got.dtype == dtype and got.is_contiguous(memory_format=torch.channels_last)
    assert got.shape == (batch, out, 2 * height, 2 * width)
    assert apart(got, upsample_conv2d_by_the_formula(x, weight, bias)) <= (2e-3 if dtype == torch.bfloat16 else 2e-6)
    assert apart(got, convolved(enlarged(x), weight, bias)) <= (4e-3 if dtype == torch.bfloat16 else 2e-6)


def test_integers_are_exact(dtype):
    """Small ones, that no transformation has to round; multiples of 4, that halving twice leaves whole."""
    torch.manual_seed(0)
    x = torch.randint(-2, 3, (2, 32, 9, 7)).to(dtype)
    weight, bias = 4 * torch.randint(-1, 2, (64, 32, 3, 3)).to(dtype), torch.randint(-9, 9, (64,)).to(dtype)
    assert torch.equal(ops.winograd_conv2d(x, weight, bias), convolved(x, weight, bias).to(dtype))
    assert torch.equal(ops.winograd_upsample_conv2d(x, weight, bias), convolved(enlarged(x), weight, bias).to(dtype))


def test_any_memory_layout(dtype):
    x, weight, bias, residual = numbers(dtype, 2, 64, 64, 6, 8)
    wanted = ops.winograd_conv2d(x, weight, bias, residual)
    turned = [t.permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1) for t in (x, residual)]
    wide = torch.cat([x, x], 3)[:, :, :, :8], residual.expand(2, -1, -1, -1)
    for other in (turned, wide):
        assert torch.equal(ops.winograd_conv2d(other[0], weight, bias, other[1]), wanted)
    strided = weight.permute(2, 3, 1, 0).contiguous().permute(3, 2, 0, 1)
    assert torch.equal(ops.winograd_conv2d(x, strided, bias, residual), wanted)
    wanted = ops.winograd_upsample_conv2d(x, weight, bias)
    for other in (turned[0], wide[0]):
        assert torch.equal(ops.winograd_upsample_conv2d(other, strided, bias), wanted)


def test_the_same_bits_for_any_number_of_threads_and_pictures(dtype):
    """However the work is divided: by output channels for few tiles, by tiles for many."""
    x, weight, bias, residual = numbers(dtype, 12, 32, 128, 10, 6)
    before, found, larger = torch.get_num_threads(), [], []
    try:
        for threads in (1, 2, 5):
            torch.set_num_threads(threads)
            found.append(ops.winograd_conv2d(x, weight, bias, residual))
            each = [ops.winograd_conv2d(x[i : i + 1], weight, bias, residual[i : i + 1]) for i in range(12)]
            found.append(torch.cat(each))
            larger.append(ops.winograd_upsample_conv2d(x, weight, bias))
            larger.append(torch.cat([ops.winograd_upsample_conv2d(part, weight, bias) for part in x.split(1)]))
    finally:
        torch.set_num_threads(before)
    for results in (found, larger):
        assert all(torch.equal(other, results[0]) for other in results)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_spreads_to_the_tiles_that_read_it(dtype, value):
    x, weight, bias, residual = numbers(dtype, 1, 32, 64, 12, 12)
    clean = ops.winograd_conv2d(x, weight, bias, residual)
    x[0, 3, 5, 6] = value  # of the tiles of rows 4 to 7 and columns 4 to 7
    found = ops.winograd_conv2d(x, weight, bias, residual)
    reached = torch.zeros(12, 12, dtype=torch.bool)
    reached[4:8, 4:8] = True
    assert torch.equal(found[..., ~reached], clean[..., ~reached])
    assert not found[..., 4:7, 5:8].isfinite().any()  # what a sum of products reaches


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_large_and_small_numbers(dtype, scale):
    x, weight, bias, _ = numbers(dtype, 1, 64, 64, 8, 8)
    zero = torch.zeros_like(bias)
    assert (
        apart(
            ops.winograd_conv2d((x.double() * scale).to(dtype), weight, zero),
            convolved(x.double() * scale, weight, zero),
        )
        <= 5e-3
    )


def test_weights_come_back(dtype):
    weight = torch.randn(192, 96, 3, 3).to(dtype)
    assert torch.equal(ops.winograd_repack(weight), weight)


@pytest.mark.parametrize(
    "shape, made_in",
    [
        ((64, 9, 3, 3), None),
        ((4, 64, 3, 3), None),
        ((64, 64, 1, 1), None),
        ((64, 64, 5, 5), None),
        ((64, 64), None),
        ((64, 64, 3, 3), torch.float16),
        ((64, 64, 3, 3), torch.float64),
    ],
    ids=str,
)
def test_other_weights_are_left_alone(dtype, shape, made_in):
    assert ops.winograd_repack(torch.randn(shape).to(made_in or dtype)) is None


def test_an_input_of_other_channels_is_refused(dtype):
    x, weight, bias, _ = numbers(dtype, 1, 64, 64, 4, 4)
    with pytest.raises(
        ValueError, match=r"input of a convolution: expected \[any, 64, any, any\], got \[1, 32, 4, 4\]"
    ):
        ops.winograd_conv2d(x[:, :32], weight, bias)
    with pytest.raises(ValueError, match=r"input of a convolution: expected \[any, 64, any, any\]"):
        ops.winograd_upsample_conv2d(x[:, :32], weight, bias)


def test_an_enlarged_map_and_a_weight_that_no_kernel_is_for(dtype):
    x, weight, bias, _ = numbers(dtype, 2, 9, 12, 5, 4)
    wanted = convolved(enlarged(x), weight, bias)
    assert apart(ops.winograd_upsample_conv2d(x, weight, bias), wanted) <= (4e-3 if dtype == torch.bfloat16 else 2e-6)


def test_the_environment_turns_it_off():
    code = (
        "import torch; from catvton._native import C; ops = C.ops;"
        "print(ops.implementations(torch.empty(0))['winograd_conv2d'], ops.winograd_repack(torch.randn(64, 64, 3, 3)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"CATVTON_WINOGRAD": "0", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["ATen", "None"]
