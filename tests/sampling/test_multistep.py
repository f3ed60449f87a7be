"""UniPC and SDE-DPM-Solver++ against diffusers' schedulers: timesteps, coefficients, whole trajectories."""

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler, UniPCMultistepScheduler
from hypothesis import given, settings
from hypothesis import strategies as st

from catvton._native import C

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation")  # diffusers under numpy 2

SOLVERS = ("unipc", "sde-dpm++")
SPACINGS = ("leading", "trailing", "linspace")
STEPS = (1, 2, 3, 4, 5, 10, 15, 50, 150)
SD15 = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "steps_offset": 1,
}


def theirs(solver, steps, exact=False, **config):
    """diffusers' scheduler; if `exact`, in float64 from its float32 alphas_cumprod on."""
    config = SD15 | {"timestep_spacing": "leading"} | config
    if solver == "unipc":
        scheduler = UniPCMultistepScheduler(**config, solver_order=2, solver_type="bh2", predict_x0=True)
    else:
        scheduler = DPMSolverMultistepScheduler(**config, algorithm_type="sde-dpmsolver++", solver_order=2)
        if exact:
            scheduler.step = in_double(scheduler)
    scheduler.set_timesteps(steps)
    if exact:
        alphas = scheduler.alphas_cumprod[scheduler.timesteps.clamp(max=999)].double()
        scheduler.sigmas = torch.cat([((1 - alphas) / alphas).sqrt(), torch.zeros(1)])
    return scheduler


def in_double(scheduler):
    """DPMSolverMultistepScheduler.step casts sample and noise to float32; its updates by themselves do not."""

    def step(eps, t, sample, variance_noise):
        if scheduler.step_index is None:
            scheduler._init_step_index(t)
        x0 = scheduler.convert_model_output(eps, sample=sample)
        scheduler.model_outputs = [scheduler.model_outputs[-1], x0]
        is_edge = scheduler.step_index in (0, len(scheduler.timesteps) - 1)
        if is_edge:
            update = scheduler.dpm_solver_first_order_update(x0, sample=sample, noise=variance_noise)
        else:
            update = scheduler.multistep_dpm_solver_second_order_update(
                scheduler.model_outputs, sample=sample, noise=variance_noise
            )
        scheduler._step_index += 1
        return type("Output", (), {"prev_sample": update})

    return step


def native_config(**config):
    native = C.DDIMConfig()
    for name, value in (SD15 | {"timestep_spacing": "leading"} | config).items():
        setattr(native, name, value)
    return native


def network(sample, t):
    """Anything that depends on the sample and on the timestep, in the sample's dtype."""
    return torch.tanh(sample.roll(1, -1) * 0.7 + sample * 0.6 + float(t) / 1000 - 0.4)


def their_trajectory(scheduler, noises, dtype):
    sample, drawn = noises[0].to(dtype), iter(noises[1:])
    samples = []
    for t in scheduler.timesteps:
        noise = {}
        if isinstance(scheduler, DPMSolverMultistepScheduler):
            noise = {"variance_noise": next(drawn).to(dtype)}
        sample = scheduler.step(network(sample, t), t, sample, **noise).prev_sample
        samples.append(sample)
    return samples


def our_trajectory(solver, config, steps, noises):
    run, sample, samples = C.Solver(solver, config, steps), noises[0], []
    for i in range(steps):
        eps = network(sample, run.timestep(i))
        x0 = run.pred_x0(i, eps, sample)
        sample = run.prev_sample(i, eps, x0, sample, noises[1 + i] if run.draws_noise else None)
        samples.append(sample)
    return samples


def largest(tensor):
    return tensor.abs().max().item()


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("spacing", SPACINGS)
def test_timesteps(solver, spacing):
    config = native_config(timestep_spacing=spacing)
    scheduler = theirs(solver, 1, timestep_spacing=spacing)
    for steps in (*range(1, 60), 83, 100, 249, 333, 499, 500, 501, 998):
        scheduler.set_timesteps(steps)
        want = scheduler.timesteps.tolist()
        if spacing == "trailing" and len(want) == steps + 1:
            assert want.pop() == -1  # numpy.arange went one too far, to a timestep that does not exist
        assert [step.timestep for step in C.multistep_steps(config, solver, steps)] == want, steps


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("spacing", SPACINGS)
@pytest.mark.parametrize("steps", STEPS)
def test_a_trajectory_is_diffusers(solver, spacing, steps):
    """Ours, in float32, is as near to the scheduler's exact numbers as theirs is in float32."""
    torch.manual_seed(steps)
    noises = list(torch.randn(steps + 1, 2, 4, 5, 6))
    got = our_trajectory(solver, native_config(timestep_spacing=spacing), steps, noises)
    exact = their_trajectory(theirs(solver, steps, True, timestep_spacing=spacing), noises, torch.float64)
    single = their_trajectory(theirs(solver, steps, False, timestep_spacing=spacing), noises, torch.float32)
    for ours, want, rounded in zip(got, exact, single, strict=True):
        assert ours.dtype == torch.float32 and torch.isfinite(ours).all()
        assert largest(ours - want) <= 2 * largest(rounded - want) + 1e-5 * largest(want)
        assert largest(ours - rounded) <= 1e-3 * largest(want)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("steps", STEPS)
def test_coefficients_are_what_diffusers_multiplies_with(solver, steps):
    """Each factor found by a unit: the network's answers are chosen so that x0 of one step is 1 and all else is 0."""
    ours = C.multistep_steps(native_config(), solver, steps)
    scheduler = theirs(solver, steps, exact=True)
    for i, step in enumerate(ours):
        alpha = 1 / (scheduler.sigmas[i] ** 2 + 1) ** 0.5
        assert step.alpha == pytest.approx(float(alpha), rel=1e-7)
        assert step.sigma == pytest.approx(float(scheduler.sigmas[i] * alpha), rel=1e-7)
        if not step.corrects:
            assert list(step.corrector.x0) == [0, 0, 0]
    for i in sorted({0, 1, 2, steps // 2, steps - 2, steps - 1} & set(range(steps))):
        want = units(solver, scheduler, i)
        got = {"sample": ours[i].predictor.sample, "noise": ours[i].predictor.noise}
        got |= {f"x0[{k}]": ours[i].predictor.x0[k] for k in range(2)}
        for name, value in want.items():
            assert got[name] == pytest.approx(value, rel=2e-7, abs=1e-9), (i, name)


def units(solver, scheduler, i):
    """The predictor's factors in diffusers' own update functions."""
    steps = len(scheduler.timesteps)
    scheduler._step_index = i
    second = 0 < i < steps - 1

    def update(sample, x0, older, noise):
        values = [torch.full((1, 1, 1, 1), float(v), dtype=torch.float64) for v in (sample, x0, older, noise)]
        scheduler.model_outputs = [values[2], values[1]]
        scheduler.timestep_list = [None, scheduler.timesteps[i]]
        if solver == "unipc":
            order = 2 if second else 1
            made = scheduler.multistep_uni_p_bh_update(values[1], sample=values[0], order=order)
        elif second:
            made = scheduler.multistep_dpm_solver_second_order_update(
                scheduler.model_outputs, sample=values[0], noise=values[3]
            )
        else:
            made = scheduler.dpm_solver_first_order_update(values[1], sample=values[0], noise=values[3])
        return made.item()

    found = {"sample": update(1, 0, 0, 0), "x0[0]": update(0, 1, 0, 0), "x0[1]": update(0, 0, 1, 0)}
    return found | {"noise": update(0, 0, 0, 1)}


@settings(max_examples=25)
@given(
    solver=st.sampled_from(SOLVERS),
    steps=st.integers(1, 30),
    spacing=st.sampled_from(SPACINGS),
    steps_offset=st.integers(0, 1),
    beta_schedule=st.sampled_from(("scaled_linear", "linear")),
    beta_end=st.floats(0.005, 0.03),
)
def test_other_configs(solver, steps, spacing, steps_offset, beta_schedule, beta_end):
    config = {
        "timestep_spacing": spacing,
        "steps_offset": steps_offset,
        "beta_schedule": beta_schedule,
        "beta_end": beta_end,
    }
    noises = list(torch.randn(steps + 1, 1, 4, 3, 2, generator=torch.Generator().manual_seed(steps)))
    scheduler = theirs(solver, steps, True, **config)
    if len(scheduler.timesteps) > steps:
        return  # numpy.arange went one too far
    want = their_trajectory(scheduler, noises, torch.float64)[-1]
    got = our_trajectory(solver, native_config(**config), steps, noises)[-1]
    assert largest(got - want) <= 1e-4 * largest(want)


def test_the_end_is_the_predicted_picture():
    for solver in SOLVERS:
        run = C.Solver(solver, C.DDIMConfig(), 1)
        eps, sample, noise = torch.randn(3, 1, 4, 2, 2)
        x0 = run.pred_x0(0, eps, sample)
        assert torch.equal(run.prev_sample(0, eps, x0, sample, noise), x0)


def test_ddim_behind_the_same_door():
    config, (eps, sample, noise) = C.DDIMConfig(), torch.randn(3, 1, 4, 2, 2)
    assert C.Solver("ddim", config, 4).draws_noise and not C.Solver("ddim", config, 4, eta=0.0).draws_noise
    assert C.Solver("sde-dpm++", config, 4).draws_noise and not C.Solver("unipc", config, 4).draws_noise
    run = C.Solver("ddim", config, 4, eta=0.5)
    for i, step in enumerate(C.ddim_steps(config, 4, 0.5)):
        x0 = step.pred_x0(eps, sample)
        assert run.timestep(i) == step.timestep and torch.equal(run.pred_x0(i, eps, sample), x0)
        assert torch.equal(run.prev_sample(i, eps, x0, sample, noise), step.prev_sample(eps, x0, noise))


@pytest.mark.parametrize("steps", [0, 1000])
@pytest.mark.parametrize("solver", SOLVERS)
def test_impossible_numbers_of_steps_are_refused(solver, steps):
    with pytest.raises(ValueError, match=f"steps must be 1 to 999 with this solver, got {steps}"):
        C.Solver(solver, C.DDIMConfig(), steps)


def test_unknown_solvers_are_refused():
    with pytest.raises(ValueError, match=r"solver must be ddim, unipc or sde-dpm\+\+, got euler"):
        C.Solver("euler", C.DDIMConfig(), 4)
    assert np.isfinite(C.multistep_steps(C.DDIMConfig(), "unipc", 999)[500].corrector.x0).all()
