"""Guidance and DDIM's step as one operator: by the CUDA kernel's body against the formula in float64, and on a CPU the
operators one after the other, bit for bit."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from catvton._native import C
from support import emulated_cuda

DTYPES = [torch.float32, torch.bfloat16, torch.float16]
cases = given(
    shape=st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 9), st.integers(1, 9)),
    guidance=st.sampled_from([0.0, 1.0, 1.5, 2.5, 30.0]),
    steps=st.integers(1, 50),
    index=st.integers(0, 49),
    eta=st.sampled_from([0.0, 0.3, 1.0]),
    channels_last=st.booleans(),
    seed=st.integers(0, 2**31),
)


def drawn(shape, guidance, dtype, channels_last, seed):
    generator = torch.Generator().manual_seed(seed)
    branches = 2 if guidance > 1 else 1
    estimate = torch.randn(branches * shape[0], *shape[1:], generator=generator).to(dtype)
    if channels_last:
        estimate = estimate.to(memory_format=torch.channels_last)
    return estimate, *torch.randn(2, *shape, generator=generator).unbind()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@cases
def test_the_kernel_is_the_formula(dtype, shape, guidance, steps, index, eta, channels_last, seed):
    step = C.ddim_steps(C.DDIMConfig(), steps, eta)[index % steps]
    estimate, sample, noise = drawn(shape, guidance, dtype, channels_last, seed)
    with emulated_cuda():
        x0, previous = C.ops.guided_step(step, estimate, guidance, sample, noise if eta > 0 else None)
    eps = estimate.double()
    if guidance > 1:
        unconditional, conditional = eps.chunk(2)
        eps = unconditional + guidance * (conditional - unconditional)
    exact_x0 = (sample.double() - step.sqrt_beta * eps) / step.sqrt_alpha
    exact = step.sqrt_alpha_prev * exact_x0 + step.direction * eps + step.sigma * noise.double()
    # Roundings of what is added up, which may cancel: guidance makes the largest numbers.
    largest = (1 + max(guidance, 1) * 2) * estimate.double().abs().max() + sample.abs().max()
    assert x0.dtype == previous.dtype == torch.float32
    assert (x0.double() - exact_x0).abs().max() <= 4 * 2**-23 * largest / step.sqrt_alpha
    assert (previous.double() - exact).abs().max() <= 8 * 2**-23 * (largest / step.sqrt_alpha + noise.abs().max())


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@cases
def test_a_cpu_takes_one_operator_after_the_other(dtype, shape, guidance, steps, index, eta, channels_last, seed):
    step = C.ddim_steps(C.DDIMConfig(), steps, eta)[index % steps]
    estimate, sample, noise = drawn(shape, guidance, dtype, channels_last, seed)
    x0, previous = C.ops.guided_step(step, estimate, guidance, sample, noise)
    eps = C.guide(estimate.float(), guidance) if guidance > 1 else estimate.float()
    assert torch.equal(x0, step.pred_x0(eps, sample))
    assert torch.equal(previous, step.prev_sample(eps, x0, noise))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_nan_and_infinity_stay_where_they_are(bad):
    step = C.ddim_steps(C.DDIMConfig(), 4, 1.0)[1]
    estimate, sample, noise = torch.ones(2, 1, 4, 4), torch.ones(1, 1, 4, 4), torch.ones(1, 1, 4, 4)
    estimate[1, 0, 2, 1] = bad
    with emulated_cuda():
        for result in C.ops.guided_step(step, estimate, 2.5, sample, noise):
            assert not result[0, 0, 2, 1].isfinite() and result.isfinite().sum() == 15


def test_what_does_not_fit_is_named():
    step, sample = C.ddim_steps(C.DDIMConfig(), 4, 1.0)[1], torch.ones(1, 4, 6, 3)
    with pytest.raises(ValueError, match=r"noise estimate: expected \[2, 4, 6, 3\], got \[1, 4, 6, 3\]"):
        C.ops.guided_step(step, sample, 2.5, sample, sample)
    with pytest.raises(ValueError, match=r"noise: expected \[1, 4, 6, 3\], got \[1, 4, 6\]"):
        C.ops.guided_step(step, sample, 1.0, sample, sample[..., 0])
