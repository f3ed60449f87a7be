"""The memory plan against independent counts: torch's own allocator events, and the process' resident memory."""

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from catvton import memory  # noqa: E402
from catvton._native import C  # noqa: E402


def small_unet(in_channels=9):
    config = C.UNetConfig()
    config.in_channels = in_channels
    config.block_out_channels = [32, 64, 64, 64]
    return config


def small_vae():
    config = C.VAEConfig()
    config.block_out_channels = [32, 32, 64, 64]
    return config


def on_cpu(model_class, config):
    model = model_class.blank(config, torch.empty(0))
    for parameter in model.parameters.values():
        parameter.normal_(0, 0.02)
    return model


def allocator_peak(run):
    """The largest sum of bytes alive, from the events of torch's CPU allocator."""
    with torch.no_grad(), torch.profiler.profile(profile_memory=True) as profile:
        run()
    events = [e for e in profile.profiler.kineto_results.events() if e.name() == "[memory]"]
    alive = peak = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        alive += event.nbytes()
        peak = max(peak, alive)
    return peak


def test_published_sizes():
    plan = memory.plan(C.UNetConfig(), C.VAEConfig(), 1024, 768, "bfloat16")
    assert plan.unet_weights == 2 * 815_572_804
    assert plan.vae_weights == 2 * 83_653_863
    assert plan.peak == plan.unet_weights + plan.vae_weights + max(plan.unet_step, plan.vae_encode, plan.vae_decode)
    # the largest single tensors there: GEGLU's projection [2, 24576, 8 * 320], the decoder's [1, 256, 1024, 768]
    assert plan.unet_step > 2 * 2 * 24576 * 2560
    assert plan.vae_decode > 2 * 2 * 256 * 1024 * 768


@pytest.mark.parametrize("dtype", memory.DTYPES)
def test_half_precision_takes_half(dtype):
    whole = memory.plan(small_unet(), small_vae(), 128, 96, "float32")
    plan = memory.plan(small_unet(), small_vae(), 128, 96, dtype)
    size = getattr(torch, dtype).itemsize
    assert plan.unet_weights * 4 == whole.unet_weights * size
    assert plan.vae_decode * 4 == pytest.approx(whole.vae_decode * size, rel=0.01)


def test_guidance_and_batch_double_the_step():
    one = memory.plan(small_unet(), small_vae(), 128, 96, "float32", guided=False)
    guided = memory.plan(small_unet(), small_vae(), 128, 96, "float32")
    pair = memory.plan(small_unet(), small_vae(), 128, 96, "float32", batch=2, guided=False)
    assert pair.unet_step == guided.unet_step
    assert guided.unet_step == pytest.approx(2 * one.unet_step, rel=0.01)
    assert pair.vae_decode == pytest.approx(2 * one.vae_decode, rel=0.01)


def test_a_mask_free_model_is_joined_in_width():
    masked = memory.plan(small_unet(9), small_vae(), 128, 96, "float32")
    mask_free = memory.plan(small_unet(8), small_vae(), 128, 96, "float32")
    assert mask_free.unet_step == pytest.approx(masked.unet_step, rel=0.01)


@pytest.mark.parametrize("height, width", [(128, 96), (136, 104)])
def test_the_plan_is_what_the_cpu_does(height, width):
    """The same recording with real tensors, and the allocator's own events, which also see scratch inside kernels."""
    plan = memory.plan(small_unet(), small_vae(), height, width, "float32")
    unet, vae = on_cpu(C.UNet, small_unet()), on_cpu(C.VAE, small_vae())
    h, w = height // 8, width // 8
    runs = {
        "unet_step": (unet, lambda: unet(torch.empty(2, 9, 2 * h, w).zero_(), torch.empty(2).zero_())),
        "vae_encode": (vae, lambda: vae.encode(torch.empty(1, 3, height, width).zero_())),
        "vae_decode": (vae, lambda: vae.decode(torch.empty(1, 4, h, w).zero_())),
    }
    for name, (model, run) in runs.items():
        planned = getattr(plan, name)
        recorded = memory.recorded_peak(run, model.parameters.values())
        # The plan is of ATen's operators, which every device has; the CPU's fused ones make fewer tensors.
        assert 0.75 * planned <= recorded <= planned, name
        run()  # the allocator's count must not contain what a kernel makes once and keeps
        assert recorded <= allocator_peak(run) * 1.001, name


def test_a_dead_tensor_is_not_counted():
    def run():
        a = torch.ones(1000)  # 4000 bytes
        b = a * 2  # 8000 alive
        del a
        c = b.view(10, 100)  # the same storage
        return c + 1  # 8000 again

    assert memory.recorded_peak(run) == 8000


def test_resident_memory_grows_as_planned():
    """A medium UNet in a process of its own: resident memory rises by the plan, and a kernel's scratch on top."""
    script = """
import torch
from catvton import memory
from catvton._native import C
torch.set_num_threads(1)
config = C.UNetConfig(); config.block_out_channels = [64, 128, 128, 128]
unet = C.UNet.blank(config, torch.empty(0))
for parameter in unet.parameters.values(): parameter.normal_(0, 0.02)
step = lambda h, w: unet(torch.zeros(2, 9, h, w), torch.zeros(2))
with torch.inference_mode():
    step(16, 8)
    before = memory.peak_resident()
    step(128, 48)
print(memory.peak_resident() - before, memory.plan(config, C.VAEConfig(), 512, 384, "float32").unet_step)
"""
    if memory.peak_resident() is None:
        pytest.skip("this system does not tell a process' peak memory")
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    grown, planned = map(int, done.stdout.split())
    assert 0.9 * planned < grown < 1.6 * planned + 64 * 2**20


@pytest.mark.parametrize("height, width, dtype", [(100, 96, "float32"), (96, 0, "float32"), (96, 96, "int8")])
def test_bad_input_is_named(height, width, dtype):
    with pytest.raises(ValueError, match=r"100|0|int8"):
        memory.plan(small_unet(), small_vae(), height, width, dtype)
