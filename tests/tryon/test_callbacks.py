"""Callbacks, threads and the GIL: what happens between the engine and Python while a try-on runs."""

import signal
import threading
import time

import pytest
import torch

from catvton._native import C
from reference import noise_for
from support import assert_close, diffusers_unet, diffusers_vae, native_unet, native_vae


class Cancelled(BaseException):
    """As ComfyUI's InterruptProcessingException could be: no Exception at all."""


@pytest.fixture(scope="module")
def models():
    return native_unet(diffusers_unet()), native_vae(diffusers_vae())


def run(models, *, steps=3, eta=1.0, guidance=2.5, batch=1, noise=torch.zeros, mask=True, **callbacks):
    person, garment = torch.linspace(-1, 1, 2 * batch * 3 * 8 * 6).view(2, batch, 3, 8, 6)
    return C.tryon(
        *models,
        person,
        garment,
        torch.ones(batch, 1, 8, 6) if mask else None,
        C.DDIMConfig(),
        steps,
        guidance,
        eta,
        noise=noise,
        **callbacks,
    )


@pytest.mark.parametrize(
    "kind", [ValueError, RuntimeError, KeyboardInterrupt, SystemExit, StopIteration, Cancelled, MemoryError]
)
@pytest.mark.parametrize("callback", ["on_step", "noise", "tap"])
def test_an_exception_arrives_unchanged_and_at_once(models, kind, callback):
    thrown, calls = kind("from the callback"), []

    def fail(*args):
        calls.append(args)
        raise thrown

    with pytest.raises(kind) as raised:
        run(models, **{callback: fail})
    assert raised.value is thrown
    assert len(calls) == 1


def test_an_exception_of_a_tap_leaves_a_forward(models):
    thrown = Cancelled()

    def fail(name, value):
        raise thrown

    unet, vae = models
    for call in (
        lambda: unet(torch.zeros(1, 9, 4, 4), torch.zeros(1), fail),
        lambda: vae.encode(torch.zeros(1, 3, 4, 4), fail),
        lambda: vae.decode(torch.zeros(1, 4, 4, 4), fail),
    ):
        with pytest.raises(Cancelled) as raised:
            call()
        assert raised.value is thrown


def test_an_exception_carries_its_traceback(models):
    def raising_callback(step, total, latents):
        raise ValueError("here")

    with pytest.raises(ValueError, match="here") as raised:
        run(models, on_step=raising_callback)
    assert any(entry.name == "raising_callback" for entry in raised.traceback)


def test_after_a_failure_all_is_as_before(models):
    with torch.inference_mode():
        want = run(models)
        with pytest.raises(KeyError):
            run(models, on_step=lambda *args: {}["no such key"], tap=lambda *args: None)
        assert torch.equal(run(models), want)


class Interrupted(Exception):
    """What the signal's handler raises in place of KeyboardInterrupt, which would end the whole test run."""


@pytest.fixture
def interrupting():
    def handler(number, frame):
        raise Interrupted

    before = signal.signal(signal.SIGINT, handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_signal_stops_between_steps_without_a_callback(interrupting):
    """Ctrl-C while no Python runs: after the first latents an eta of 0 asks Python for nothing more.

    The decoder is broken, so that a run that took no notice would come to its end and fail there first.
    """
    unet, vae = native_unet(diffusers_unet()), native_vae(diffusers_vae())
    vae.parameters["decoder.conv_in.weight"].resize_(0)
    drawn = []

    def noise(shape):
        drawn.append(shape)
        if len(drawn) == 3:
            threading.Timer(0.05, signal.raise_signal, (signal.SIGINT,)).start()
        return torch.zeros(shape)

    with pytest.raises(RuntimeError):
        run((unet, vae), steps=1, eta=0.0)
    with pytest.raises(Interrupted) as raised:
        run((unet, vae), steps=1000, eta=0.0, noise=noise)
    assert raised.value.__context__ is None


def test_on_step_sees_every_step_and_its_latents(models):
    seen, taps = [], {}
    run(models, steps=4, on_step=lambda *args: seen.append(args), tap=taps.setdefault)
    assert [(step, total) for step, total, _ in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    for step, _, latents in seen:
        assert latents.shape == (1, 4, 8, 3) and latents.dtype == torch.float32
        assert torch.equal(latents, taps[f"step.{step - 1:03d}.prev_sample"])


@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("eta", [0.0, 0.5])
@pytest.mark.parametrize("batch", [1, 2])
def test_noise_is_drawn_in_its_documented_order(masked, eta, batch):
    """Person, garment, first latents, then one a step, none where eta is 0: seeds depend on it."""
    models = native_unet(diffusers_unet(in_channels=9 if masked else 8)), native_vae(diffusers_vae())
    asked = []

    def noise(shape):
        asked.append(tuple(shape))
        return torch.zeros(shape)

    run(models, steps=3, eta=eta, batch=batch, noise=noise, mask=masked)
    assert asked == [tuple(drawn.shape) for drawn in noise_for(masked, batch, (4, 3), 3, eta)]


@pytest.mark.parametrize("wrong", [None, 1.0, "noise"])
def test_noise_that_is_no_tensor_is_refused(models, wrong):
    with pytest.raises((TypeError, RuntimeError)):
        run(models, noise=lambda shape: wrong)


def test_taps_go_to_their_own_thread_only(models):
    """A second thread's forward while a tapped one runs must not reach its sink."""
    unet, names = models[0], []
    inputs = torch.zeros(1, 9, 4, 4), torch.zeros(1)

    def tap(name, value):
        if not names:  # inside the first layer: another thread runs a whole forward
            names.append(name)
            other = threading.Thread(target=unet, args=inputs)
            other.start()
            other.join()
        else:
            names.append(name)

    unet(*inputs, tap)
    assert len(names) == len(set(names))


def test_python_runs_on_during_native_work():
    """The GIL is free: this thread's sleeps end while another one is inside a single forward."""
    unet = native_unet(diffusers_unet(block_out_channels=(64, 128)))
    sample, inside, ticks = torch.zeros(4, 9, 64, 64), threading.Event(), 0
    done = threading.Event()

    def forward():
        with torch.inference_mode():
            inside.set()
            unet(sample, torch.zeros(4))
            done.set()

    thread = threading.Thread(target=forward)
    thread.start()
    inside.wait()
    while not done.is_set():
        time.sleep(0.001)
        ticks += 1
    thread.join()
    # With the GIL held, a tick fits before the forward and one after it.
    assert ticks > 5


def test_two_threads_get_what_each_gets_alone(models):
    seeds = (1, 2)

    def one(seed):
        noise = iter(noise_for(True, 1, (4, 3), 6, 1.0, seed))
        with torch.inference_mode():
            return run(models, steps=6, noise=lambda shape: next(noise))

    alone = {seed: one(seed) for seed in seeds}
    assert not torch.equal(*alone.values())
    together, start = {}, threading.Barrier(len(seeds))

    def work(seed):
        start.wait()
        together[seed] = one(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in seeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed in seeds:
        assert_close(together[seed], alone[seed], 1e-6)


def test_an_exception_of_a_poll_arrives_unchanged_before_the_first_step(models):
    thrown, steps = Cancelled(), []

    def cancel():
        raise thrown

    with pytest.raises(Cancelled) as raised:
        run(models, poll=cancel, on_step=lambda *args: steps.append(args))
    assert raised.value is thrown
    assert not steps


def test_a_poll_is_asked_within_steps_and_within_the_vae(models):
    asked_after, place = set(), ["start"]

    def at(name, value):
        place[0] = name

    run(models, steps=2, tap=at, poll=lambda: asked_after.add(place[0]), poll_seconds=0)
    for network in ("layer.vae.encoder.", "layer.unet.down_blocks.", "layer.unet.up_blocks.", "layer.vae.decoder."):
        assert sum(name.startswith(network) for name in asked_after) > 2, f"{network} in {sorted(asked_after)}"


def test_a_poll_stops_in_the_decoder(models):
    thrown, steps, place = Cancelled(), [], [""]

    def at(name, value):
        place[0] = name

    def cancel():
        if place[0].startswith("layer.vae.decoder."):
            raise thrown

    with pytest.raises(Cancelled) as raised:
        run(models, steps=2, tap=at, poll=cancel, poll_seconds=0, on_step=lambda step, *_: steps.append(step))
    assert raised.value is thrown
    assert steps == [1, 2]


def test_a_poll_waits_for_its_time(models):
    asked = []
    run(models, poll=lambda: asked.append(None), poll_seconds=3600)
    assert len(asked) == 1


def test_a_poll_ends_with_its_run(models):
    asked = []
    run(models, poll=lambda: asked.append(None), poll_seconds=0)
    count = len(asked)
    run(models)
    models[1].decode(torch.zeros(1, 4, 4, 4))
    assert len(asked) == count


@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_the_estimate_is_the_persons_half_of_each_steps_x0(models, guidance):
    estimates, taps = [], {}
    run(
        models,
        batch=2,
        guidance=guidance,
        noise=torch.randn,
        tap=taps.__setitem__,
        on_estimate=lambda latents: estimates.append(latents),
    )
    assert len(estimates) == 3
    for step, estimate in enumerate(estimates):
        joined = taps[f"step.{step:03d}.pred_x0"]
        assert estimate.shape == (2, 4, joined.shape[2] // 2, joined.shape[3])
        assert torch.equal(estimate, joined[:, :, : joined.shape[2] // 2])
