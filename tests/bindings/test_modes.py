"""Memory modes: the same picture with less memory, the choice among them, and what happens where memory runs out."""

import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

import catvton
from catvton import modes
from catvton._native import C
from catvton.garments import Garments
from catvton.noise import Source
from support import assert_close, diffusers_unet, diffusers_vae, native_unet, native_vae

FAST = {"seed": 5, "steps": 2, "height": 64, "width": 48, "paste_back": False}
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    diffusers_unet().save_pretrained(root / "unet")
    diffusers_vae().save_pretrained(root / "vae")
    return root


MAPPED = """
import ctypes, sys
import torch
from catvton import modes

class Mallinfo2(ctypes.Structure):
    NAMES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in NAMES.split()]

libc = ctypes.CDLL(None) if sys.platform == "linux" else None
if not hasattr(libc, "mallinfo2"):
    sys.exit("not glibc 2.33 or later")
libc.mallinfo2.restype = Mallinfo2

def mapped():
    before = libc.mallinfo2().hblkhd
    block = torch.empty(12_000_000, dtype=torch.uint8)
    return libc.mallinfo2().hblkhd - before >= block.numel()

torch.empty(16_000_000, dtype=torch.uint8)  # mapped or not, freeing it moves glibc's own threshold above 12 MB
print("before", mapped())
for mode, device, pixels in (
    ("low", "cpu", 64 * 48), ("minimal", "cpu", 64 * 48), ("normal", "cpu", 1024 * 768),
    ("normal", "cpu", 512 * 384), ("low", "cuda", 2**20),
):
    with modes.sparing(mode, torch.device(device), pixels):
        print(mode, device, pixels, mapped())
print("after", mapped())
"""


def test_large_blocks_are_mapped_and_then_no_longer():
    """What glibc says it has mapped, while a block of 12 MB lives: all of it where memory is spared. In a process of
    its own, whose heap has no such hole yet: glibc fills holes first."""
    done = subprocess.run(
        [sys.executable, "-c", MAPPED],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
    )
    if "not glibc" in done.stderr:
        pytest.skip(done.stderr)
    assert done.stdout.splitlines() == [
        "before False",
        f"low cpu {64 * 48} True",
        f"minimal cpu {64 * 48} True",
        f"normal cpu {1024 * 768} True",
        f"normal cpu {512 * 384} False",
        f"low cuda {2**20} False",
        "after False",
    ], done.stderr


def load(folder, **options):
    return catvton.TryOn.load(unet=folder / "unet", vae=folder / "vae", device="cpu", **options)


@pytest.fixture(scope="module")
def tryon(folder):
    return load(folder)


def picture(seed):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (64, 48, 3), np.uint8))


MASK = Image.fromarray(np.pad(np.full((30, 30), 255, np.uint8), ((20, 14), (10, 8))))


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


def levels(a, b):
    return np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max()


# ---- every mode computes the same -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", modes.MODES)
@pytest.mark.parametrize("guidance", [1.0, 2.5])
@pytest.mark.parametrize("in_channels", [9, 8])
def test_a_mode_computes_what_the_engine_does_whole(mode, guidance, in_channels):
    """On a CPU as if it were a GPU: weights are copied when they are needed, large maps divided into small strips."""
    unet, vae = native_unet(diffusers_unet(in_channels=in_channels)), native_vae(diffusers_vae())
    shapes = [[2, 4, 12, 8]] * 2 + [[2, 4, 24, 8] if in_channels == 9 else [2, 4, 12, 16]] * 4
    noise = [torch.randn(shape) for shape in shapes]
    inputs = [torch.rand(2, 3, 24, 16) * 2 - 1 for _ in range(2)] + [(torch.rand(2, 1, 24, 16) > 0.5).float()]

    def run(unet, vae, **options):
        drawn = iter(noise)
        with torch.inference_mode():
            return C.tryon(unet, vae, *inputs, C.DDIMConfig(), 3, guidance, 1.0, lambda _: next(drawn), **options)

    work = modes.arrange(unet, vae, mode, CPU, offload=mode != "normal", copies=True)
    got = run(work.unet, work.vae, one_by_one=work.one_by_one, strip=1000)
    assert_close(got, run(unet, vae))
    assert_close(run(unet, vae, one_by_one=True), run(unet, vae))


def test_a_call_says_its_mode_and_gives_the_same_picture(tryon):
    pictures = {mode: tryon(picture(1), picture(2), MASK, memory=mode, **FAST) for mode in modes.CHOICES}
    assert pictures["auto"].memory == "normal"
    for mode in modes.MODES:
        assert pictures[mode].memory == mode
        assert levels(pictures[mode].image, pictures["normal"].image) <= 1


def test_weights_may_wait_on_the_cpu(folder, tryon):
    waiting = load(folder, memory="low")
    assert waiting.device == CPU and waiting.resident
    assert same(waiting(picture(1), picture(2), MASK, **FAST).image, tryon(picture(1), picture(2), MASK, **FAST).image)


def test_eight_bits_make_nearly_the_same_picture(folder, tryon):
    small = load(folder, weights_dtype="float8_e4m3")
    assert small.dtype == torch.float32 and small.to("cpu") is small and small.to("meta").device.type == "meta"
    want = tryon(picture(1), picture(2), MASK, **FAST).image
    for mode in modes.MODES:
        got = small(picture(1), picture(2), MASK, memory=mode, **FAST).image
        assert not same(got, want)
        assert np.abs(np.asarray(got, np.int16) - np.asarray(want, np.int16)).mean() < 4


@pytest.mark.parametrize("options", [{"memory": "tiny"}, {"weights_dtype": "int4"}])
def test_mistakes_are_named(folder, tryon, options):
    with pytest.raises(ValueError, match=r"tiny|int4"):
        load(folder, **options)
    if "memory" in options:
        with pytest.raises(ValueError, match="auto, normal, low, minimal"):
            tryon(picture(1), picture(2), MASK, **options, **FAST)


# ---- which one ------------------------------------------------------------------------------------------------------


def test_auto_takes_the_first_that_fits(tryon):
    size = (512, 384, 1, True)
    weights = modes.memory.weight_bytes(tryon.unet) + modes.memory.weight_bytes(tryon.vae)
    peaks = {mode: modes.plan_of(tryon, *size, mode).peak for mode in modes.MODES}
    assert peaks["low"] < peaks["normal"]
    for mode in ("normal", "low"):
        assert modes.choose(tryon, *size, peaks[mode] - weights + 1) == mode
    assert modes.choose(tryon, *size, peaks["low"] - weights - 1) == "minimal"
    assert modes.choose(tryon, *size, None) == "normal"


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_the_quick_bound_is_above_every_plan(tryon, dtype):
    model = tryon.to(dtype=dtype)
    for size in ((64, 48), (512, 384)):
        plan = modes.plan_of(model, *size, 2, True, "normal")
        assert plan.peak < modes.memory.bound(model.unet, model.vae, *size, model.dtype, 2)


def test_free_memory_is_what_the_system_says():
    free = modes.free_memory(CPU)
    assert free is None or 2**20 < free < 2**50
    assert modes.free_memory(torch.device("mps")) is None


# ---- memory runs out ------------------------------------------------------------------------------------------------

# A UNet whose maps are all there is: one level, no attention, latents of the picture's size.
SHORT_OF_MEMORY = """
import logging, resource, sys, warnings
import numpy as np, torch
import catvton
from catvton import memory, modes
from catvton._native import C
torch.set_num_threads(1)
logging.basicConfig()
unet = C.UNetConfig(); vae = C.VAEConfig()
unet.block_out_channels = [32]; unet.layers_per_block = [1]; unet.attention_heads = [1]
unet.transformer_layers_per_block = [1]; unet.down_block_attention = [False]; unet.up_block_attention = [False]
unet.mid_block_attention = False
vae.block_out_channels = [8]; vae.norm_num_groups = 4; vae.mid_block_add_attention = False; vae.layers_per_block = 1
networks = [C.UNet.blank(unet, torch.empty(0)), C.VAE.blank(vae, torch.empty(0))]
for network in networks:
    for weight in network.parameters.values(): weight.normal_(0, 0.02)
tryon = catvton.TryOn(*networks, C.DDIMConfig())
person = np.zeros((384, 288, 3), np.uint8); mask = np.zeros((384, 288), np.uint8)
mask[:40, :40] = 255
call = dict(steps=1, paste_back=False, seed=1)
tryon(person[:64, :64], person, mask[:64, :64], height=64, width=64, memory="normal", **call)
plans = [modes.plan_of(tryon, 384, 288, 1, True, mode) for mode in ("normal", "low")]
virtual = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
share = float(sys.argv[1])
limit = virtual + int(plans[1].activations * (1 - share) + plans[0].activations * share)
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    result = tryon(person, person, mask, height=384, width=288, memory="normal", **call)
    print("made in", result.memory)
except torch.OutOfMemoryError as error:
    print("OutOfMemoryError", error)
"""


def run_short_of_memory(share):
    command = [sys.executable, "-c", SHORT_OF_MEMORY, str(share)]
    # Blocks go back to the system when they are freed: what glibc would keep in pieces depends on where it was loaded.
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_ARENA_MAX": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.skipif(sys.platform != "linux", reason="limits the process' address space")
def test_where_memory_runs_out_the_next_lower_mode_is_tried():
    done = run_short_of_memory(0.6)
    assert done.stdout.strip() == "made in low", done.stdout
    assert "trying again with 'low'" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="limits the process' address space")
def test_where_nothing_fits_the_error_says_what_would():
    done = run_short_of_memory(-0.7)
    assert done.stdout.startswith("OutOfMemoryError"), done.stdout
    assert "384x288 takes" in done.stdout and "192x144 takes" in done.stdout and "memory='minimal'" in done.stdout
    assert "trying again with 'low'" in done.stderr


@pytest.mark.parametrize("kind", ["seed", "generator", "noise"])
def test_a_second_attempt_has_the_noise_of_the_first(kind):
    shape = [2, 4, 3, 3]
    given = {"seed": 3, "generator": torch.Generator().manual_seed(1), "noise": [torch.randn(shape) for _ in range(6)]}
    source = Source.of(*(given[name] if name == kind else None for name in given), CPU)
    source.next(2)[1](shape)
    _, draw = source.next(2)
    first = [draw(shape) for _ in range(3)]
    source.again()
    assert all(torch.equal(draw(shape), tensor) for tensor in first)
    assert not torch.equal(draw(shape), first[0])


# ---- garments -------------------------------------------------------------------------------------------------------


def test_a_garment_is_encoded_once_and_the_noise_stays_each_persons(folder):
    persons, garments = [picture(i) for i in range(3)], [picture(7), picture(8)]
    model = load(folder)
    first = model(persons, garments[0], MASK, **FAST)
    assert len(model.garments) == 1
    for i, (person, result) in enumerate(zip(persons, first, strict=True)):
        alone = load(folder)(person, garments[0], MASK, **{**FAST, "seed": 5 + i})
        assert same(alone.image, result.image)
        tapped = load(folder)(person, garments[0], MASK, tap=lambda *_: None, **{**FAST, "seed": 5 + i})
        assert same(tapped.image, result.image)  # encoded with its person, in one call of the engine
    other = model(persons[0], garments[1], MASK, **FAST)
    assert len(model.garments) == 2 and not same(other.image, first[0].image)
    assert same(model(persons[0], garments[0], MASK, batch_size=2, **FAST).image, first[0].image)


def test_content_decides_and_the_least_recently_used_is_forgotten():
    encoded = []

    def encode(array):
        encoded.append(float(array.flat[0]))
        return torch.zeros(1), torch.zeros(1)

    known = Garments(capacity=2)
    a, b, c = (np.full((1, 3, 2, 2), value, np.float32) for value in (1, 2, 3))
    for array in (a, b, a.copy(), c, a, b):
        known.posterior(array, (), encode)
    assert encoded == [1, 2, 3, 2] and len(known) == 2
    known.posterior(b, ("another dtype",), encode)
    assert encoded[-1] == 2 and len(encoded) == 5
    known.posterior(b.reshape(1, 3, 4, 1), (), encode)
    assert len(encoded) == 6
    known.clear()
    assert len(known) == 0
