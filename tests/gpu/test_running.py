"""Memory, cancelling and waiting on a device: what the CPU's tests can only plan."""

import pytest
import torch

import catvton
from catvton import memory, modes
from catvton._native import C
from catvton.memory import recorded_stages


class Cancelled(Exception):
    pass


def test_a_step_never_waits_for_the_device(cuda):
    """torch's own check: from the first step's end on, whatever waits raises an error."""
    tryon = catvton.TryOn.load("demo", device=cuda)
    picture = torch.zeros(1, 3, 192, 144, device=cuda)

    def noise(shape):
        return torch.randn(shape).pin_memory().to(cuda, non_blocking=True)

    def on_step(step, total, latents):
        torch.cuda.set_sync_debug_mode("error" if step < total else "default")

    try:
        with torch.inference_mode():
            C.tryon(
                tryon.unet,
                tryon.vae,
                picture,
                picture,
                torch.ones(1, 1, 192, 144, device=cuda),
                C.DDIMConfig(),
                steps=4,
                guidance=2.5,
                eta=1.0,
                noise=noise,
                on_step=on_step,
            )
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("size", [(512, 384), (1024, 768)], ids=str)
@pytest.mark.parametrize("mode", modes.MODES)
def test_the_plan_is_what_the_allocator_sees(cuda, mode, size):
    """The published size in float16, weights unfilled: within 5 % and what convolutions take for themselves."""
    planned = memory.plan(C.UNetConfig(), C.VAEConfig(), *size, "float16", mode=mode)
    offload = mode != "normal"
    like = torch.empty((), dtype=torch.float16, device="cpu" if offload else cuda)
    unet, vae = C.UNet.blank(C.UNetConfig(), like), C.VAE.blank(C.VAEConfig(), like)
    work = modes.arrange(unet, vae, mode, cuda, offload)
    torch.cuda.reset_peak_memory_stats()
    recorded_stages(work, unet, vae, *size, 1, True)
    torch.cuda.synchronize()
    found = torch.cuda.max_memory_allocated()
    workspace = 256 * 2**20
    assert 0.95 * planned.peak <= found <= 1.05 * planned.peak + workspace, f"{found / planned.peak:.2f} of the plan"


def test_two_hundred_runs_take_no_more_memory_than_five(cuda, case):
    tryon = catvton.TryOn.load("demo", device=cuda)
    seen = []
    for _ in range(200):
        tryon(*case, steps=2, seed=1)
        torch.cuda.synchronize()
        seen.append(torch.cuda.memory_allocated())
    assert max(seen[5:]) == min(seen[5:])


def test_out_of_memory_is_tried_again_with_less(cuda, case):
    tryon = catvton.TryOn.load("demo", device=cuda)
    options = {"steps": 2, "seed": 1, "height": 1024, "width": 768}
    tryon(*case, memory="normal", **options)
    needed = {mode: modes.plan_of(tryon, 1024, 768, 1, True, mode).peak for mode in modes.MODES}
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(cuda).total_memory
    torch.cuda.set_per_process_memory_fraction((needed["normal"] + needed["low"]) / 2 / total)
    try:
        assert tryon(*case, memory="normal", **options).memory == "low"
        torch.cuda.set_per_process_memory_fraction(needed["minimal"] / 8 / total)
        with pytest.raises(torch.OutOfMemoryError, match=r"memory='minimal'"):
            tryon(*case, memory="low", **options)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert tryon(*case, memory="normal", **options).memory == "normal"


def test_cancelling_between_layers_leaves_a_model_that_works(device, case):
    tryon = catvton.TryOn.load("demo", device=device)
    before = tryon(*case, steps=2, seed=1).image
    polls, steps = [], []

    def poll():
        polls.append(None)
        if len(polls) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        tryon(*case, steps=50, seed=1, poll=poll, callback=lambda *step: steps.append(step))
    assert len(steps) < 50
    assert tryon(*case, steps=2, seed=1).image.tobytes() == before.tobytes()
