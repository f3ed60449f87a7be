"""The fused operators, by the CPU's kernels and by the GPU's as the emulator runs them, against their formula in
float64: at most twice as far from it as torch's own functions in the same dtype, whatever the shape; bit for bit
torch's where no kernel of ours applies."""

from contextlib import contextmanager

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from catvton._native import C

ops = C.ops
KERNELS = [(level, dtype) for level in ("avx2", "avx512") for dtype in (torch.float32, torch.bfloat16)]
KERNELS += [("cuda", dtype) for dtype in (torch.float32, torch.bfloat16, torch.float16)]
# docs/gpu.md
CUDA_KERNELS = {"fused_group_norm", "geglu", "add_and_norm", "add_bias_and_residual"}
CUDA_KERNELS |= {"guided_step", "unet_input", "expand_float8"}
by_kernel = pytest.mark.parametrize(("kernel", "dtype"), KERNELS, ids=str)
sizes = st.integers(1, 70)


@contextmanager
def computed_by(kernel):
    """Without gradients, by the kernels for one instruction set or, "cuda", by the CUDA kernels' emulated bodies."""
    if kernel == "cuda":
        ops.emulate_cuda(True)
    else:
        try:
            ops.set_cpu_level(kernel)
        except ValueError as error:
            pytest.skip(str(error))
    try:
        with torch.inference_mode():
            yield
    finally:
        ops.emulate_cuda(False)
        ops.set_cpu_level("auto")


def assert_as_exact(ours, theirs, exact, scale=0.0):
    """Each error is at most twice the largest of torch's, and roundings of the largest value: one, or a few in float32,
    where exp and erf have some of their own. scale: roundings of it are allowed even where results are smaller."""
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    roundings = torch.finfo(ours.dtype).eps * (4 if ours.dtype == torch.float32 else 1)
    allowed = 2 * (theirs.double() - exact).abs().max() + roundings * max(exact.abs().max(), scale)
    assert (ours.double() - exact).abs().max() <= allowed


def drawn(seed, dtype, *shape, scale=1.0, offset=0.0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator).mul_(scale).add_(offset).to(dtype)


def group_norm(x, shift, groups, weight, bias, eps, silu, conv_bias=None):
    biased = x if conv_bias is None else x + conv_bias[:, None, None]
    shifted = biased if shift is None else biased + shift[:, :, None, None]
    normalised = F.group_norm(shifted, groups, weight, bias, eps)
    return F.silu(normalised) if silu else normalised


def geglu(x):
    a, b = x.chunk(2, dim=-1)
    return a * F.gelu(b)


def add_and_norm(h, weight_1, bias_1, weight_2, bias_2, eps=1e-5, residual=None):
    h = h if residual is None else h + residual
    total = h + F.layer_norm(h, weight_1.shape, weight_1, bias_1, eps)
    return total, F.layer_norm(total, weight_2.shape, weight_2, bias_2, eps)


def test_the_kernels_are_what_is_tested():
    capability = torch.backends.cpu.get_cpu_capability()
    expected = {"AVX2": "avx2", "AVX512": "avx512"}.get(capability)
    if expected is None:
        pytest.skip(f"this processor's kernels ({capability}) are ATen's")
    with torch.inference_mode():
        chosen = C.ops.implementations(torch.empty(0))
    assert [chosen[name] for name in ("fused_group_norm", "geglu", "add_and_norm")] == [expected] * 3


@by_kernel
@given(
    batch=st.integers(1, 3),
    groups=st.integers(1, 5),
    in_group=st.integers(1, 20),
    height=st.integers(2, 20),  # torch refuses a group of one value
    width=st.integers(1, 20),
    shifted=st.booleans(),
    biased=st.booleans(),
    silu=st.booleans(),
    offset=st.sampled_from([0.0, 3.0, 100.0]),
    channels_last=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_group_norm(
    kernel, dtype, batch, groups, in_group, height, width, shifted, biased, silu, offset, channels_last, seed
):
    channels = groups * in_group
    x = drawn(seed, dtype, batch, channels, height, width, scale=2.0, offset=offset)
    if channels_last:
        x = x.to(memory_format=torch.channels_last)
    shift = drawn(seed + 1, dtype, batch, channels) if shifted else None
    weight, bias = drawn(seed + 2, dtype, channels), drawn(seed + 3, dtype, channels)
    conv_bias = drawn(seed + 4, dtype, channels) if biased else None
    # A group that is all but constant divides by almost nothing: eps large enough that rounding is what is compared.
    with computed_by(kernel):
        ours = ops.fused_group_norm(x, shift, groups, weight, bias, 0.1, silu, conv_bias)
        theirs = group_norm(x, shift, groups, weight, bias, 0.1, silu, conv_bias)
        x, shift, weight, bias, conv_bias = (
            t if t is None else t.double() for t in (x, shift, weight, bias, conv_bias)
        )
        exact = group_norm(x, shift, groups, weight, bias, 0.1, silu, conv_bias)
        normalised = group_norm(x, shift, groups, weight, bias, 0.1, False, conv_bias)
    assert_as_exact(ours, theirs, exact, scale=normalised.abs().max())  # silu makes small numbers of negative ones


@by_kernel
def test_every_kernel_is_what_is_tested(kernel, dtype):
    with computed_by(kernel):
        chosen = C.ops.implementations(torch.empty(0, dtype=dtype))
    everywhere = {"fused_group_norm", "geglu", "add_and_norm"}
    assert {chosen[name] for name in everywhere} == {kernel}
    if kernel == "cuda":
        assert {chosen[name] for name in CUDA_KERNELS} == {kernel}


@by_kernel
def test_group_norm_of_tokens(kernel, dtype):
    """[B, C, N], as in the VAE's attention."""
    x, weight, bias = drawn(0, dtype, 2, 12, 35), drawn(1, dtype, 12), drawn(2, dtype, 12)
    with computed_by(kernel):
        ours = ops.fused_group_norm(x, None, 4, weight, bias, 1e-5, False)
        theirs = F.group_norm(x, 4, weight, bias, 1e-5)
        exact = F.group_norm(x.double(), 4, weight.double(), bias.double(), 1e-5)
    assert_as_exact(ours, theirs, exact)


@by_kernel
@given(rows=sizes, columns=sizes, scale=st.sampled_from([0.1, 1.0, 5.0]), seed=st.integers(0, 2**31))
def test_geglu(kernel, dtype, rows, columns, scale, seed):
    x = drawn(seed, dtype, rows, 2 * columns, scale=scale)
    with computed_by(kernel):
        assert_as_exact(ops.geglu(x), geglu(x), geglu(x.double()), scale=x.abs().max())


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("factor", [16.0, 11.296875, 1000.0], ids=str)
def test_the_kernels_round_as_torch_does(dtype, factor):
    """Every number of the dtype, subnormal, infinite and NaN: gelu(factor) is the factor itself."""
    every = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(dtype)
    x = torch.stack([every, torch.full_like(every, factor)], dim=-1)
    with computed_by("cuda"):
        found = ops.geglu(x).squeeze(-1)
    expected = (every.float() * x[0, 1].item()).to(dtype)
    assert torch.equal(found.isnan(), expected.isnan())
    assert torch.equal(found.nan_to_num(0.0), expected.nan_to_num(0.0))


def test_gelu_keeps_its_digits_everywhere():
    """Where Phi is tiny, too: relative to each value itself."""
    x = torch.linspace(-8, 8, 4001)
    with torch.inference_mode():
        if C.ops.implementations(x)["geglu"].startswith("aten"):
            pytest.skip("ATen's gelu loses them below -3")
        got = ops.geglu(torch.stack([torch.ones_like(x), x], dim=-1)).squeeze(-1)
    exact = x.double() * 0.5 * torch.erfc(-x.double() / 2**0.5)
    assert ((got.double() - exact).abs() <= 4e-6 * exact.abs()).all()


@by_kernel
@given(
    rows=sizes,
    columns=st.integers(2, 400),
    offset=st.sampled_from([0.0, 3.0]),
    added=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_add_and_norm(kernel, dtype, rows, columns, offset, added, seed):
    h = drawn(seed, dtype, rows, columns, offset=offset)
    affine = [drawn(seed + i, dtype, columns) for i in range(4)]
    residual = drawn(seed + 5, dtype, rows, columns, scale=3.0) if added else None
    with computed_by(kernel):
        ours, theirs = (function(h, *affine, 1e-2, residual) for function in (ops.add_and_norm, add_and_norm))
        h, residual, *affine = (t if t is None else t.double() for t in (h, residual, *affine))
        exact = add_and_norm(h, *affine, 1e-2, residual)
    for found, reference, truth in zip(ours, theirs, exact, strict=True):
        assert_as_exact(found, reference, truth)


on_gpu = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
values = st.sampled_from([(1.0, 0.0), (1e-6, 0.0), (1.0, 100.0), (1e4, 0.0)])  # scale and offset


@on_gpu
@given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 70), st.integers(1, 12), st.integers(1, 12)),
    formats=st.tuples(st.booleans(), st.booleans()),
    extent=values,
    seed=st.integers(0, 2**31),
)
def test_add_bias_and_residual(dtype, shape, formats, extent, seed):
    scale, offset = extent
    y, residual = (
        drawn(seed + i, dtype, *shape, scale=scale, offset=offset).to(
            memory_format=torch.channels_last if last else torch.contiguous_format
        )
        for i, last in enumerate(formats)
    )
    bias = drawn(seed + 2, dtype, shape[1], scale=scale)
    with computed_by("cuda"):
        ours = ops.add_bias_and_residual(y, bias, residual)
    exact = y.double() + bias.double()[:, None, None] + residual.double()
    assert_as_exact(ours, y + bias[:, None, None] + residual, exact, scale=max(t.abs().max() for t in (y, residual)))
    if formats[0] == formats[1]:
        assert ours.stride() == y.stride()


@on_gpu
def test_a_sum_is_rounded_once(dtype):
    """Every number of float16 and bfloat16 among the summands, NaN and infinity, too."""
    every = torch.arange(-(2**15), 2**15, dtype=torch.int16)
    y = (every.view(dtype) if dtype.itemsize == 2 else every.float()).view(16, 4, 32, 32)
    bias, residual = torch.full((4,), 1.5, dtype=dtype), torch.full_like(y, -3.25)
    with computed_by("cuda"):
        found = ops.add_bias_and_residual(y, bias, residual)
    expected = (y.float() + (1.5 - 3.25)).to(dtype)
    assert torch.equal(found.isnan(), expected.isnan())
    assert torch.equal(found.nan_to_num(0.0), expected.nan_to_num(0.0))


@on_gpu
@given(
    rows=st.integers(1, 20),
    columns=st.integers(1, 70),
    largest=st.sampled_from([1e-3, 1.0, 100.0]),
    seed=st.integers(0, 2**31),
)
def test_expand_float8(dtype, rows, columns, largest, seed):
    values = drawn(seed, torch.float32, rows, columns, scale=100.0).to(torch.float8_e4m3fn)
    scale = drawn(seed + 1, torch.float32, rows, 1).abs() * (largest / 448) + 1e-6
    like = torch.empty(0, dtype=dtype)
    with computed_by("cuda"):
        ours = ops.expand_float8(values, scale, like)
    theirs = values.to(dtype).mul_(scale.to(dtype))
    assert_as_exact(ours, theirs, values.double() * scale.double())
    assert torch.equal(ops.expand_float8(values, scale, like), theirs)  # a CPU's, to the bit


@on_gpu
def test_every_number_of_eight_bits(dtype):
    values = torch.arange(256, dtype=torch.int16).to(torch.uint8).view(torch.float8_e4m3fn).repeat(3, 1)
    scale = torch.tensor([[1.0], [0.5], [2.0]])
    with computed_by("cuda"):
        found = ops.expand_float8(values, scale, torch.empty(0, dtype=dtype))
    expected = (values.float() * scale).to(dtype)
    assert torch.equal(found.isnan(), expected.isnan()) and found.isnan().sum() == 6
    assert torch.equal(found.nan_to_num(0.0), expected.nan_to_num(0.0))


def test_wrong_eight_bits_are_refused():
    values, scale = torch.zeros(4, 3).to(torch.float8_e4m3fn), torch.ones(4, 1)
    with pytest.raises(ValueError, match=r"float8_e4m3fn and a scale in float32, got float32 \[4, 3\]"):
        ops.expand_float8(values.float(), scale, scale)
    with pytest.raises(ValueError, match=r"scale: expected \[4, 1\], got \[3, 1\]"):
        ops.expand_float8(values, scale[:3], scale)


@by_kernel
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_and_infinity_are_not_hidden(kernel, dtype, bad):
    x = torch.ones(2, 64, dtype=dtype)
    x[1, 40] = bad
    with computed_by(kernel):
        found = ops.geglu(x)
        assert found[0].isfinite().all() and not found[1].isfinite().all()
        image = x[:, :, None, None].repeat(1, 1, 3, 3).to(memory_format=torch.channels_last)
        found = ops.fused_group_norm(
            image, None, 4, torch.ones(64, dtype=dtype), torch.zeros(64, dtype=dtype), 1e-5, True
        )
        assert found[0].isfinite().all() and found[1].isnan().any()
        _, normalised = ops.add_and_norm(x, *[torch.ones(64, dtype=dtype)] * 4, 1e-5)
        assert normalised[0].isfinite().all() and normalised[1].isnan().any()


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_do_not_change_the_result(threads):
    before = torch.get_num_threads()
    x = drawn(0, torch.float32, 2, 64, 40, 30).to(memory_format=torch.channels_last)
    weight, bias = drawn(1, torch.float32, 64), drawn(2, torch.float32, 64)
    with torch.inference_mode():
        torch.set_num_threads(1)
        alone = ops.fused_group_norm(x, None, 8, weight, bias, 1e-5, True)
        torch.set_num_threads(threads)
        try:
            assert torch.equal(ops.fused_group_norm(x, None, 8, weight, bias, 1e-5, True), alone)
        finally:
            torch.set_num_threads(before)


def test_gradients_are_atens():
    """While gradients are recorded, no kernel of ours runs: they would be lost in it."""
    inputs = [
        drawn(0, torch.float32, 2, 64, 5, 7).to(memory_format=torch.channels_last),
        drawn(1, torch.float32, 2, 64),
        drawn(2, torch.float32, 64),
        drawn(3, torch.float32, 64),
    ]

    def grads(function):
        leaves = [t.clone().requires_grad_() for t in inputs]
        x, shift, weight, bias = leaves
        h = function[0](x, shift, 8, weight, bias, 1e-5, True).permute(0, 2, 3, 1).reshape(-1, 64)
        total, normalised = function[1](h, weight, bias, bias, weight, 1e-5)
        (function[2](normalised).square().sum() + total.sum()).backward()
        return [leaf.grad for leaf in leaves]

    ours = grads((ops.fused_group_norm, ops.add_and_norm, ops.geglu))
    theirs = grads((group_norm, add_and_norm, geglu))
    assert all(torch.allclose(a, b, rtol=1e-5, atol=1e-5) for a, b in zip(ours, theirs, strict=True))


def test_meta_gives_shapes():
    x = torch.empty(2, 64, 5, 7, device="meta")
    c = torch.empty(64, device="meta")
    assert ops.fused_group_norm(x, None, 8, c, c, 1e-5, True).shape == x.shape
    assert ops.geglu(torch.empty(3, 64, device="meta")).shape == (3, 32)
    assert ops.add_bias_and_residual(x, c, x).shape == x.shape
    assert [t.shape for t in ops.add_and_norm(torch.empty(3, 64, device="meta"), c, c, c, c, 1e-5)] == [(3, 64)] * 2
