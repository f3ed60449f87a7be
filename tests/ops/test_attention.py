"""Each CPU kernel of attention against softmax(q k^T / sqrt(D)) v in float64, and beside ATen in the same dtype.

The engine's own kernels run without gradients only; `ops.set_cpu_level` chooses among those that this CPU has.
"""

import os
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from catvton._native import C
from support import CPU_LEVELS, heads_of

ops = C.ops
BEST = ops.cpu_level()
HERE = CPU_LEVELS[: CPU_LEVELS.index(BEST) + 1]
# The last two: half types that the level has no kernel for go through float32's.
KERNELS = [
    ("avx2", torch.float32, "avx2"),
    ("avx512", torch.float32, "avx512"),
    ("avx512_bf16", torch.bfloat16, "avx512_bf16"),
    ("avx2", torch.bfloat16, "avx2 in float32"),
    ("avx512", torch.float16, "avx512 in float32"),
]

pytestmark = pytest.mark.skipif(BEST == "aten", reason="this CPU or CATVTON_CPU allows none of the kernels")


@pytest.fixture(params=KERNELS, ids=lambda kernel: f"{kernel[0]}-{kernel[1]}")
def dtype(request):
    """The dtype of a kernel, while that kernel is chosen."""
    level, dtype, implementation = request.param
    if level not in HERE:
        pytest.skip(f"this CPU has {BEST} at most")
    ops.set_cpu_level(level)
    assert ops.implementations(torch.empty(0, dtype=dtype))["attention"] == implementation
    yield dtype
    ops.set_cpu_level("auto")


def exact(q, k, v):
    q, k, v = (x.double() for x in (q, k, v))
    return torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, dim=-1) @ v


def check(q, k, v):
    with torch.inference_mode():
        ours, theirs, truth = ops.attention(q, k, v), F.scaled_dot_product_attention(q, k, v), exact(q, k, v)
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
    assert ours.is_inference() == theirs.is_inference()
    # Softmax turns the rounding of a score, which both keep in float32, into a relative error: eps times its size.
    largest_score = (q.double() @ k.double().transpose(-1, -2)).abs().max() / q.shape[-1] ** 0.5
    relative = torch.finfo(q.dtype).eps + torch.finfo(torch.float32).eps * largest_score
    allowed = 2 * (theirs - truth).abs().max() + relative * v.abs().max().double()
    assert (ours - truth).abs().max() <= allowed


# The kernel that the fixture chooses is the same for all examples.
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batch=st.integers(1, 8),
    heads=st.integers(1, 4),
    queries=st.integers(1, 200),
    keys=st.integers(1, 500),
    size=st.integers(1, 24).map(lambda eighths: 8 * eighths),
    spread=st.sampled_from([0.01, 1.0, 4.0]),
    seed=st.integers(0, 99),
)
@example(1, 2, 48, 128, 40, 1.0, 0)  # whole blocks
@example(1, 1, 49, 129, 160, 1.0, 0)  # one more than whole blocks
@example(2, 1, 65, 257, 512, 1.0, 0)  # the VAE's
@example(1, 1, 1, 1, 8, 1.0, 0)
@example(1, 8, 384, 384, 160, 1.0, 0)
def test_within_twice_atens_error(dtype, batch, heads, queries, keys, size, spread, seed):
    torch.manual_seed(seed)
    q = heads_of(batch, heads, queries, size, dtype, spread)
    k, v = (heads_of(batch, heads, keys, size, dtype, spread) for _ in range(2))
    check(q, k, v)


@pytest.mark.parametrize(
    "view",
    [
        lambda x: x,
        lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
        lambda x: torch.cat([x, x], 3)[..., 40:],
        lambda x: x.repeat(1, 1, 2, 1)[:, :, ::2],
        lambda x: x[:1].expand(2, -1, -1, -1),
        lambda x: x.transpose(2, 3).contiguous().transpose(2, 3),  # elements not in a row: ATen's
    ],
    ids=["whole", "heads first", "part of a row", "every second token", "one for all", "columns"],
)
def test_strides(dtype, view):
    check(*(view(torch.randn(2, 3, 61, 40).to(dtype)) for _ in range(3)))


@pytest.mark.parametrize("offset", [0.0, 50.0, -50.0])
def test_large_scores(dtype, offset):
    """Scores by the thousand: nothing overflows, and the softmax is all but a choice of one key."""
    q, k = (heads_of(1, 2, 150, 40, dtype, 30.0) for _ in range(2))
    check(q, k + offset, heads_of(1, 2, 150, 40, dtype))


@pytest.mark.parametrize("rise", [1.0, 10.0, 60.0])
@pytest.mark.parametrize("size", [40, 160])
def test_scores_that_rise_from_block_to_block(dtype, size, rise):
    """Of some queries only: where the running maximum is kept for a while, it must not be kept for these."""
    q, v = heads_of(1, 2, 100, size, dtype), heads_of(1, 2, 600, size, dtype)
    k = heads_of(1, 2, 600, size, dtype) * torch.linspace(0.1, rise, 600).to(dtype)[:, None]
    q[:, :, ::3] *= 0.01
    check(q, k, v)
    check(q, k.flip(2), v)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("keys", [60, 600])
def test_what_is_not_finite_stays_so_and_stays_where_it_is(dtype, keys, bad):
    """A query with NaN or infinite elements gives NaN for itself; a value that is not finite reaches every query."""
    q = heads_of(1, 2, 60, 40, dtype)
    k, v = (heads_of(1, 2, keys, 40, dtype) for _ in range(2))
    q, v = q.contiguous(), v.contiguous()
    with torch.inference_mode():
        clean = ops.attention(q, k, v)
        q[0, 0, 5, 3] = bad
        got = ops.attention(q, k, v)
        assert got[0, 0, 5].isnan().all()
        got[0, 0, 5] = clean[0, 0, 5]
        assert torch.equal(got, clean)
        q[0, 0, 5, 3] = 0
        v[0, 1, 7, 2] = bad
        got = ops.attention(q, k, v)
        assert not got[0, 1, :, 2].isfinite().any() and got[0, 0].isfinite().all()


def test_threads_change_nothing(dtype):
    q, k, v = (heads_of(2, 3, 200, 40, dtype) for _ in range(3))
    before = torch.get_num_threads()
    try:
        with torch.inference_mode():
            torch.set_num_threads(1)
            alone = ops.attention(q, k, v)
            torch.set_num_threads(2)
            assert torch.equal(ops.attention(q, k, v), alone)
    finally:
        torch.set_num_threads(before)


def test_with_gradients_it_is_aten(dtype):
    leaves = [torch.randn(1, 2, 33, 40, dtype=dtype, requires_grad=True) for _ in range(3)]
    out = ops.attention(*leaves)
    assert torch.equal(out, F.scaled_dot_product_attention(*leaves))
    out.float().square().sum().backward()
    assert all(leaf.grad is not None for leaf in leaves)


@pytest.mark.parametrize("shape", [(2, 3, 17, 36), (1, 1, 5, 520)])
def test_other_sizes_are_atens(dtype, shape):
    q, k, v = (torch.randn(shape).to(dtype) for _ in range(3))
    with torch.inference_mode():
        assert torch.equal(ops.attention(q, k, v), F.scaled_dot_product_attention(q, k, v))


def test_float16_without_kernels_is_atens():
    q, k, v = torch.randn(3, 1, 2, 17, 40).half()
    ops.set_cpu_level("aten")
    try:
        with torch.inference_mode():
            assert torch.equal(ops.attention(q, k, v), F.scaled_dot_product_attention(q, k, v))
    finally:
        ops.set_cpu_level("auto")


def test_levels_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match=r"CATVTON_CPU is sse: expected auto, aten, avx2"):
        ops.set_cpu_level("sse")
    assert ops.cpu_level() == BEST


@pytest.mark.parametrize("level", HERE)
def test_the_environment_chooses(level):
    code = "import torch; from catvton._native import C; print(C.ops.cpu_level())"
    path = os.pathsep.join(sys.path)
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"CATVTON_CPU": level, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == level
