"""The native DDIM against diffusers' DDIMScheduler and the reference's tables."""

import json

import pytest
import torch
from diffusers import DDIMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from catvton._native import C

SPACINGS = ("leading", "trailing", "linspace")
COEFFICIENTS = ("sqrt_alpha", "sqrt_beta", "sqrt_alpha_prev", "direction", "sigma")


def schedulers(**config):
    """diffusers' scheduler with SD 1.5's config (or `config`), and the native config that says the same."""
    config = {
        "num_train_timesteps": 1000,
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
        "set_alpha_to_one": False,
        "steps_offset": 1,
        "timestep_spacing": "leading",
        **config,
    }
    native = C.DDIMConfig()
    for name, value in config.items():
        setattr(native, name, value)
    return DDIMScheduler(**config, clip_sample=False), native


def coefficients(scheduler: DDIMScheduler, t: int, eta: float) -> dict[str, float]:
    """The factors inside DDIMScheduler.step, in its own arithmetic (float32 tensors, Python's eta)."""
    prev = t - scheduler.config.num_train_timesteps // scheduler.num_inference_steps
    alpha = scheduler.alphas_cumprod[t]
    alpha_prev = scheduler.alphas_cumprod[prev] if prev >= 0 else scheduler.final_alpha_cumprod
    sigma = eta * scheduler._get_variance(t, prev) ** 0.5
    return {
        "sqrt_alpha": alpha**0.5,
        "sqrt_beta": (1 - alpha) ** 0.5,
        "sqrt_alpha_prev": alpha_prev**0.5,
        "direction": (1 - alpha_prev - sigma**2) ** 0.5,
        "sigma": sigma,
    }


def check_coefficients(step, want):
    for name in COEFFICIENTS:
        got = getattr(step, name)
        # float32: a few roundings. The sum under direction's root, 1 - a' - sigma^2, may cancel down to the last bits.
        if name == "direction":
            assert got**2 == pytest.approx(float(want[name]) ** 2, rel=1e-6, abs=2e-7), name
        else:
            assert got == pytest.approx(float(want[name]), rel=5e-7, abs=1e-9), name


@settings(max_examples=50)
@given(
    trained=st.integers(1, 1000),
    beta_schedule=st.sampled_from(("scaled_linear", "linear")),
    beta_start=st.floats(1e-5, 1e-2),
    beta_end=st.floats(1e-2, 0.1),
)
def test_alphas_cumprod_is_diffusers_bit_for_bit(trained, beta_schedule, beta_start, beta_end):
    theirs, ours = schedulers(
        num_train_timesteps=trained, beta_schedule=beta_schedule, beta_start=beta_start, beta_end=beta_end
    )
    assert torch.equal(torch.tensor(C.alphas_cumprod(ours)), theirs.alphas_cumprod)


def test_sd15s_alphas_cumprod_is_diffusers_bit_for_bit():
    theirs, ours = schedulers()
    assert torch.equal(torch.tensor(C.alphas_cumprod(ours)), theirs.alphas_cumprod)


@pytest.mark.parametrize("spacing", SPACINGS)
def test_timesteps_for_every_number_of_steps(spacing):
    theirs, ours = schedulers(timestep_spacing=spacing)
    for steps in range(1, 1001):
        theirs.set_timesteps(steps)
        want = theirs.timesteps.tolist()
        if spacing == "leading" and steps == 1000:
            assert want[0] == 1000  # behind diffusers' own table; test_1000_steps
            continue
        if spacing == "trailing" and len(want) == steps + 1:
            assert want.pop() == -1  # numpy.arange went one too far, to a timestep that does not exist
        assert [step.timestep for step in C.ddim_steps(ours, steps, 1.0)] == want, steps


@settings(max_examples=60)
@given(
    steps=st.integers(1, 999),
    eta=st.floats(0, 1),
    spacing=st.sampled_from(SPACINGS),
    set_alpha_to_one=st.booleans(),
    steps_offset=st.integers(0, 1),
)
def test_coefficients_equal_diffusers(steps, eta, spacing, set_alpha_to_one, steps_offset):
    theirs, ours = schedulers(timestep_spacing=spacing, set_alpha_to_one=set_alpha_to_one, steps_offset=steps_offset)
    theirs.set_timesteps(steps)
    for step in C.ddim_steps(ours, steps, eta):
        check_coefficients(step, coefficients(theirs, step.timestep, eta))


def test_coefficients_equal_the_references_tables(golden):
    tables = json.loads((golden / "ddim_tables.json").read_text())
    config = C.DDIMConfig()
    assert tables["steps"].keys() == {"1", "4", "20", "25", "30", "40", "50"}
    for steps, rows in tables["steps"].items():
        got = C.ddim_steps(config, int(steps), 1.0)
        assert [step.timestep for step in got] == [row["t"] for row in rows]
        for step, row in zip(got, rows, strict=True):
            want = {
                "sqrt_alpha": row["alpha"] ** 0.5,
                "sqrt_beta": (1 - row["alpha"]) ** 0.5,
                "sqrt_alpha_prev": row["alpha_prev"] ** 0.5,
                "direction": row["dir_coef"],
                "sigma": row["sigma_eta1"],
            }
            check_coefficients(step, want)


@settings(max_examples=40)
@given(
    steps=st.integers(1, 999), index=st.integers(0, 998), eta=st.sampled_from((0.0, 0.3, 1.0)), seed=st.integers(0, 99)
)
def test_a_step_equals_diffusers(steps, index, eta, seed):
    theirs, ours = schedulers()
    theirs.set_timesteps(steps)
    step = C.ddim_steps(ours, steps, eta)[index % steps]
    torch.manual_seed(seed)
    eps, sample, noise = torch.randn(3, 1, 4, 5, 6)
    want = theirs.step(eps, step.timestep, sample, eta=eta, variance_noise=noise if eta > 0 else None)
    x0 = step.pred_x0(eps, sample)
    torch.testing.assert_close(x0, want.pred_original_sample, rtol=1e-6, atol=1e-6 / step.sqrt_alpha)
    torch.testing.assert_close(step.prev_sample(eps, x0, noise), want.prev_sample, rtol=1e-6, atol=3e-6)


def test_noise_may_be_left_out_where_sigma_is_zero():
    step = C.ddim_steps(C.DDIMConfig(), 4, 0.0)[0]
    eps, x0, noise = torch.randn(3, 1, 4, 5, 6)
    assert step.sigma == 0
    assert torch.equal(step.prev_sample(eps, x0), step.prev_sample(eps, x0, noise))


def test_1000_steps():
    """diffusers raises IndexError, its offset points behind the table; ours uses every timestep once, 999 to 0."""
    theirs, ours = schedulers()
    theirs.set_timesteps(1000)
    with pytest.raises(IndexError):
        theirs.step(torch.zeros(1), int(theirs.timesteps[0]), torch.zeros(1))
    steps = C.ddim_steps(ours, 1000, 1.0)
    assert [step.timestep for step in steps] == list(range(999, -1, -1))
    without_offset, _ = schedulers(steps_offset=0)
    without_offset.set_timesteps(1000)
    for step in steps:
        check_coefficients(step, coefficients(without_offset, step.timestep, 1.0))


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_impossible_numbers_of_steps_are_refused(steps):
    with pytest.raises(ValueError, match=rf"steps must be 1 to 1000, got {steps}"):
        C.ddim_steps(C.DDIMConfig(), steps, 1.0)


@pytest.mark.parametrize("eta", [-0.1, 1.1, float("nan")])
def test_impossible_eta_is_refused(eta):
    with pytest.raises(ValueError, match=f"eta must be between 0 .* and 1, got {eta:.1f}"):
        C.ddim_steps(C.DDIMConfig(), 4, eta)


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("beta_schedule", "cosine", "beta_schedule must be scaled_linear or linear, got cosine"),
        ("timestep_spacing", "log", "timestep_spacing must be leading, trailing or linspace, got log"),
        ("num_train_timesteps", 0, "must be 1 to 0|num_train_timesteps must be positive"),
    ],
)
def test_unknown_config_is_refused(name, value, message):
    config = C.DDIMConfig()
    setattr(config, name, value)
    with pytest.raises(ValueError, match=message):
        C.ddim_steps(config, 4, 1.0)


@pytest.mark.parametrize("scale", [1.5, 2.5, 30.0])
def test_guidance_is_the_textbook_formula(scale):
    unconditional, conditional = torch.randn(2, 3, 4, 5, 6)
    want = unconditional + scale * (conditional - unconditional)
    assert torch.equal(C.guide(torch.cat([unconditional, conditional]), scale), want)
