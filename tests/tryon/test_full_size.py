"""The published size, 899 M parameters with random values, on a photograph at 512x384: the engine against diffusers."""

import os
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from PIL import Image

import synthetic_weights
from catvton import TryOn
from catvton.data import wardrobe
from catvton.preparation import prepare
from reference import noise_for, try_on
from support import needs_bfloat16, skip_cross_attention

HEIGHT, WIDTH, STEPS = 512, 384, 2
RAM_GB = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder():
    """Kept between runs, and shared with `make demo-full`."""
    if RAM_GB < 12:
        pytest.skip(f"two copies of the full model need 12 GB of memory, this machine has {RAM_GB:.0f}")
    return synthetic_weights.write(ROOT / "build" / "demo" / "weights")


@pytest.fixture(scope="module")
def pictures():
    """A photograph of a person and of a garment where the reference's are at hand, drawn ones elsewhere; the mask is
    a plain box over the torso."""
    golden = Path(os.environ.get("CATVTON_GOLDEN", ROOT.parent / "shared" / "golden"))
    if (golden / "pre/in/person0.png").is_file():
        person, garment = (Image.open(golden / f"pre/in/{name}.png").convert("RGB") for name in ("person0", "cloth0"))
    else:
        person = wardrobe.draw(wardrobe.Person.sample(7), wardrobe.Outfit.sample(7), size=(1024, 768)).image
        garment = wardrobe.Garment.sample(8, category="upper").flat((1024, 768))
    mask = Image.new("L", person.size)
    width, height = person.size
    mask.paste(255, (width // 4, height // 4, 3 * width // 4, 3 * height // 4))
    return person, garment, mask


@pytest.fixture(scope="module")
def all_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count())
    yield
    torch.set_num_threads(before)


def diffusers_twins(model):
    """diffusers' modules around the very tensors of `model`; the skipped cross-attentions stay without any."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**UNet2DConditionModel.load_config(model["folder"] / "unet"))
        vae = AutoencoderKL(**AutoencoderKL.load_config(model["folder"] / "vae"))
    missing, unexpected = unet.load_state_dict(model["tryon"].unet.parameters, strict=False, assign=True)
    assert not unexpected and all(".attn2." in name for name in missing)
    vae.load_state_dict(model["tryon"].vae.parameters, assign=True)
    return skip_cross_attention(unet.eval()), vae.eval()


def both(folder, pictures, dtype):
    """The try-on by the engine and by diffusers: float32 [1, H, W, 3] each."""
    tryon = TryOn.load(folder, device="cpu", dtype=dtype)
    noise = noise_for(True, 1, (HEIGHT // 8, WIDTH // 8), STEPS, eta=1.0)
    taken = {}
    tryon(
        *pictures,
        steps=STEPS,
        height=HEIGHT,
        width=WIDTH,
        noise=noise,
        tap=lambda name, value: taken.update({name: value.clone()}) if name == "decode.clamped_nhwc" else None,
    )
    prepared = prepare(*pictures, HEIGHT, WIDTH)
    person, garment, mask = (torch.from_numpy(a) for a in (prepared.person, prepared.garment, prepared.mask))
    unet, vae = diffusers_twins({"tryon": tryon, "folder": folder})
    with torch.inference_mode():
        theirs = try_on(unet, vae, person, garment, mask, steps=STEPS, guidance=2.5, eta=1.0, noise=noise)
    return taken["decode.clamped_nhwc"], theirs


@pytest.fixture(scope="module")
def exact(folder, pictures, all_threads):
    return both(folder, pictures, "float32")


def test_a_photograph_matches_diffusers_in_float32(exact):
    ours, theirs = exact
    assert (ours - theirs).abs().max() <= 1 / 255
    assert (ours - theirs).abs().mean() <= 1e-5


@needs_bfloat16
def test_a_photograph_in_bfloat16_is_as_near_to_float32_as_diffusers(exact, folder, pictures):
    ours, theirs = both(folder, pictures, "bfloat16")
    allowed = 2 * (theirs - exact[0]).square().mean().sqrt()
    assert allowed > 0
    assert (ours - exact[0]).square().mean().sqrt() <= allowed
