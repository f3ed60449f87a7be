"""The memory plan against independent counts: torch's own allocator events, and the process' resident memory."""

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from catvton import memory, modes  # noqa: E402
from catvton._native import C  # noqa: E402
from support import needs_bfloat16  # noqa: E402


def small_unet(in_channels=9):
    config = C.UNetConfig()
    config.in_channels = in_channels
    config.block_out_channels = [32, 64, 64, 64]
    return config


def small_vae():
    config = C.VAEConfig()
    config.block_out_channels = [32, 32, 64, 64]
    return config


def on_cpu(model_class, config, dtype):
    model = model_class.blank(config, torch.empty(0, dtype=getattr(torch, dtype)))
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


@pytest.mark.parametrize("mode, target", [("normal", 2.6e9), ("low", 1.6e9), ("minimal", 1.0e9)])
def test_published_sizes(mode, target):
    plan = memory.plan(C.UNetConfig(), C.VAEConfig(), 1024, 768, "float16", mode=mode)
    assert plan.unet_weights == 2 * 815_572_804
    assert plan.vae_weights == 2 * 83_653_863
    assert plan.resident == (plan.unet_weights + plan.vae_weights if mode == "normal" else 0)
    # the largest single tensor there: the decoder's [1, 256, 1024, 768]
    assert 2 * 256 * 1024 * 768 < plan.vae_decode <= plan.peak < target


@pytest.mark.parametrize("dtype", memory.DTYPES)
def test_half_precision_takes_half(dtype):
    whole = memory.plan(small_unet(), small_vae(), 128, 96, "float32")
    plan = memory.plan(small_unet(), small_vae(), 128, 96, dtype)
    size = getattr(torch, dtype).itemsize
    assert plan.unet_weights * 4 == whole.unet_weights * size
    pictures = 4 * 7 * 128 * 96  # person, garment and mask are float32 always
    assert (plan.vae_decode - pictures) * 4 == pytest.approx((whole.vae_decode - pictures) * size, rel=0.03)


def test_eight_bits_take_a_quarter_of_float32():
    config = C.UNetConfig()
    plans = [memory.plan(config, small_vae(), 64, 48, "float32", float8=float8) for float8 in (False, True)]
    assert plans[1].unet_weights == pytest.approx(plans[0].unet_weights / 4, rel=0.02)


def test_guidance_and_batch_double_the_step():
    one = memory.plan(small_unet(), small_vae(), 128, 96, "float32", guided=False)
    guided = memory.plan(small_unet(), small_vae(), 128, 96, "float32")
    low = memory.plan(small_unet(), small_vae(), 128, 96, "float32", mode="low", host=True)
    pair = memory.plan(small_unet(), small_vae(), 128, 96, "float32", batch=2, guided=False)
    pictures = 4 * 7 * 128 * 96
    assert guided.unet_step - pictures == pytest.approx(2 * (one.unet_step - pictures), rel=0.1)
    assert low.unet_step == pytest.approx(one.unet_step, rel=0.02)
    assert pair.unet_step == pytest.approx(2 * one.unet_step, rel=0.02)
    assert pair.vae_decode == pytest.approx(2 * one.vae_decode, rel=0.02)


def test_a_mask_free_model_is_joined_in_width():
    masked = memory.plan(small_unet(9), small_vae(), 128, 96, "float32")
    mask_free = memory.plan(small_unet(8), small_vae(), 128, 96, "float32")
    assert mask_free.unet_step == pytest.approx(masked.unet_step, rel=0.1)


@pytest.fixture
def atens_operators():
    """The plan is of ATen's operators, which every device has; the CPU's fused ones make fewer tensors."""
    C.ops.set_cpu_level("aten")
    yield
    C.ops.set_cpu_level("auto")


@pytest.mark.parametrize(
    "height, width, mode, dtype",
    [
        (128, 96, "normal", "float32"),
        (136, 104, "low", "float32"),
        pytest.param(136, 104, "minimal", "bfloat16", marks=needs_bfloat16),
        (384, 288, "minimal", "float32"),
    ],
)
def test_the_plan_is_what_the_cpu_does(atens_operators, height, width, mode, dtype):
    """A whole try-on with real tensors, weights copied as if to a GPU: the same recording, stage by stage, and the
    events of torch's allocator, which know nothing of the recorder."""
    offload, cpu = mode != "normal", torch.device("cpu")
    plan = memory.plan(small_unet(), small_vae(), height, width, dtype, mode=mode)
    unet, vae = (on_cpu(*pair, dtype) for pair in ((C.UNet, small_unet()), (C.VAE, small_vae())))

    def work():
        return modes.arrange(unet, vae, mode, cpu, offload, copies=offload)

    stages = memory.recorded_stages(work(), unet, vae, height, width, 1, True)
    assert stages == (plan.vae_encode, plan.unet_step, plan.vae_decode)

    def run():
        now = work()
        pictures = [torch.zeros(1, channels, height, width) for channels in (3, 3, 1)]
        options = {"one_by_one": now.one_by_one, "strip": now.strip}
        C.tryon(now.unet, now.vae, *pictures, C.DDIMConfig(), 2, 2.5, 1.0, torch.zeros, **options)

    run()  # the allocator's count must not contain what a kernel makes once and keeps
    assert allocator_peak(run) == pytest.approx(plan.activations, rel=0.05)


def test_strips_are_planned_as_they_are_run(atens_operators):
    """On `meta` only a strip of each kind is run."""
    vae, like = on_cpu(C.VAE, small_vae(), "float32"), torch.empty(0, device="meta")
    planned = C.VAE.blank(small_vae(), like)
    latents = torch.zeros(1, 4, 9, 6)
    for strip in (3000, 20000):
        want = memory.recorded_peak(lambda: vae.decode(latents, strip=strip), [*vae.parameters.values(), latents])  # noqa: B023
        got = memory.recorded_peak(lambda: planned.decode(latents.to("meta"), strip=strip), planned.parameters.values())  # noqa: B023
        assert got - latents.nbytes == pytest.approx(want, rel=0.01)


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


def test_modes_are_named():
    with pytest.raises(ValueError, match="tiny"):
        memory.plan(small_unet(), small_vae(), 96, 96, "float32", mode="tiny")


@pytest.mark.parametrize("height, width, dtype", [(100, 96, "float32"), (96, 0, "float32"), (96, 96, "int8")])
def test_bad_input_is_named(height, width, dtype):
    with pytest.raises(ValueError, match=r"100|0|int8"):
        memory.plan(small_unet(), small_vae(), height, width, dtype)
