"""Attention with scores in eight bits against loops that round as it says (cpp/ops/attention/int8_scores.h), and
against exact attention where nothing is lost."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from catvton._native import C
from support import apart, attention_in_int8, heads_of

ops = C.ops
DTYPES = [
    pytest.param(
        dtype,
        marks=pytest.mark.skipif(
            not ops.attends_in_int8(torch.empty(0, dtype=dtype)), reason="no such kernel: needs AVX512-VNNI"
        ),
        id=str(dtype),
    )
    for dtype in (torch.float32, torch.bfloat16)
]


def in_int8(q, k, v):
    with torch.no_grad():
        return ops.attention(q, k, v, int8_scores=True)


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batch=st.integers(1, 3),
    heads=st.integers(1, 3),
    queries=st.integers(1, 110),
    keys=st.integers(1, 300),
    size=st.integers(1, 24).map(lambda eighths: 8 * eighths),
    spread=st.sampled_from([0.01, 1.0, 3.0]),
    seed=st.integers(0, 99),
)
@example(1, 2, 48, 128, 40, 1.0, 0)  # whole blocks
@example(1, 1, 49, 129, 160, 1.0, 0)  # one more than whole blocks
@example(1, 1, 3, 257, 512, 1.0, 0)
@example(1, 1, 1, 1, 8, 1.0, 0)
def test_it_is_the_loop(dtype, batch, heads, queries, keys, size, spread, seed):
    torch.manual_seed(seed)
    q = heads_of(batch, heads, queries, size, dtype, spread)
    k, v = (heads_of(batch, heads, keys, size, dtype, spread) for _ in range(2))
    allowed = 4e-3 if dtype == torch.bfloat16 else 2e-5  # bfloat16: the rounding of probabilities and of the result
    assert apart(in_int8(q, k, v), attention_in_int8(q, k, v)) <= allowed


@pytest.mark.parametrize("dtype", DTYPES)
def test_integers_are_exact(dtype):
    """Whole numbers up to 127, and keys whose mean is 0, are what they are rounded to."""
    q = torch.randint(-127, 128, (2, 2, 60, 40))
    half = torch.randint(-127, 128, (2, 2, 64, 40))
    q[..., 0] = 127
    half[..., 0, 0] = 127
    k = torch.cat([half, -half, half, -half], dim=2)  # two blocks of 128
    q, k = (q / 64).to(dtype), (k / 64).to(dtype)  # 8 bits of mantissa: bfloat16 holds them
    v = torch.randn(2, 2, 256, 40).to(dtype)
    with torch.inference_mode():
        exact = ops.attention(q, k, v)
    assert apart(in_int8(q, k, v), exact) <= (1e-5 if dtype == torch.float32 else 4e-3)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_keys_have_in_common_costs_nothing(dtype):
    """Numbers that are whole after the mean has gone, but 40 times smaller than it."""
    q = torch.randint(-127, 128, (1, 2, 60, 40)).float()
    half = torch.randint(-3, 4, (1, 2, 64, 40)).float()
    q[..., 0], half[..., 0, 0] = 127, 3
    k, v = torch.cat([half, -half], dim=2), torch.randn(1, 2, 128, 40)
    q, k, v = ((x / scale).to(dtype) for x, scale in ((q, 127), (k, 1), (v, 1)))
    plain, shifted = in_int8(q, k, v), in_int8(q, k + 120, v)
    assert apart(shifted, plain) <= (1e-5 if dtype == torch.float32 else 4e-3)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_finite_does_not_pass_for_a_number(dtype, bad):
    """A query's stays with that query, a key's or value's reaches all queries of its head, and no other head."""
    q, k, v = (heads_of(1, 2, 60, 40, dtype).contiguous() for _ in range(3))
    clean = in_int8(q, k, v)
    q[0, 0, 5, 3] = bad
    got = in_int8(q, k, v)
    assert got[0, 0, 5].isnan().all()
    got[0, 0, 5] = clean[0, 0, 5]
    assert torch.equal(got, clean)
    q[0, 0, 5, 3] = 0
    k[0, 1, 7, 2] = bad
    got = in_int8(q, k, v)
    assert got[0, 1].isnan().all() and got[0, 0].isfinite().all()
    k[0, 1, 7, 2] = 0
    v[0, 1, 7, 2] = bad
    got = in_int8(q, k, v)
    assert not got[0, 1, :, 2].isfinite().any() and got[0, 0].isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_zeros_and_tiny_numbers_are_a_mean(dtype):
    """Without a largest magnitude to divide by, every key has the same probability."""
    v = torch.randn(1, 1, 50, 40).to(dtype)
    for value in (0.0, 1e-30):
        q = k = torch.full((1, 1, 50, 40), value).to(dtype)
        assert apart(in_int8(q, k, v), v.double().mean(dim=2, keepdim=True).expand(1, 1, 50, 40)) <= 4e-3


@pytest.mark.parametrize("dtype", DTYPES)
def test_threads_and_strides_change_nothing(dtype):
    q, k, v = (heads_of(2, 3, 200, 40, dtype) for _ in range(3))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = in_int8(q, k, v)
        torch.set_num_threads(2)
        assert torch.equal(in_int8(q, k, v), alone)
        assert torch.equal(in_int8(*(x.contiguous() for x in (q, k, v))), alone)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(2, 3, 17, 36), (1, 1, 5, 520)])
def test_other_sizes_are_exact(dtype, shape):
    q, k, v = (torch.randn(shape).to(dtype) for _ in range(3))
    with torch.inference_mode():
        assert torch.equal(ops.attention(q, k, v, int8_scores=True), ops.attention(q, k, v))


@pytest.mark.parametrize("dtype", DTYPES)
def test_with_gradients_it_is_aten(dtype):
    leaves = [torch.randn(1, 2, 33, 40, dtype=dtype, requires_grad=True) for _ in range(3)]
    out = ops.attention(*leaves, int8_scores=True)
    assert torch.equal(out, F.scaled_dot_product_attention(*leaves))


def test_not_everywhere():
    assert not ops.attends_in_int8(torch.empty(0, dtype=torch.float16))
    assert not ops.attends_in_int8(torch.empty(0, device="meta"))
    ops.set_cpu_level("aten")
    try:
        assert not ops.attends_in_int8(torch.empty(0))
    finally:
        ops.set_cpu_level("auto")
