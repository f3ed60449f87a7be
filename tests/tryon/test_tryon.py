"""The whole try-on against the plain Python loop of reference.py, with random models and the same noise."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catvton._native import C
from reference import noise_for, try_on
from support import assert_close, diffusers_unet, diffusers_vae, native_unet, native_vae

DEEP_VAE = {
    "block_out_channels": (8, 8, 16, 16),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}


def pictures(masked, batch, height, width):
    person, garment = torch.rand(2, batch, 3, height, width) * 2 - 1
    mask = None
    if masked:
        mask = torch.zeros(batch, 1, height, width)
        mask[..., height // 4 : -height // 4, width // 4 : -width // 4] = 1
    return person, garment, mask


def run(unet, vae, inputs, noise, *, steps, guidance, eta, **callbacks):
    noise = iter(noise)
    return C.tryon(
        unet, vae, *inputs, C.DDIMConfig(), steps, guidance, eta, noise=lambda shape: next(noise), **callbacks
    )


@settings(max_examples=12)
@given(
    masked=st.booleans(),
    batch=st.integers(1, 2),
    latent_size=st.sampled_from(((4, 4), (5, 3), (3, 7), (1, 2))),
    deep_vae=st.booleans(),
    steps=st.integers(1, 5),
    guidance=st.sampled_from((0.0, 1.0, 1.5, 2.5, 7.5)),
    eta=st.sampled_from((0.0, 0.5, 1.0)),
    scaling_factor=st.sampled_from((0.18215, 0.13025)),
    seed=st.integers(0, 100),
)
def test_equals_the_reference_loop(masked, batch, latent_size, deep_vae, steps, guidance, eta, scaling_factor, seed):
    unet = diffusers_unet(seed, in_channels=9 if masked else 8)
    vae = diffusers_vae(seed, **(DEEP_VAE if deep_vae else {}), scaling_factor=scaling_factor)
    scale = 8 if deep_vae else 2
    inputs = pictures(masked, batch, scale * latent_size[0], scale * latent_size[1])
    noise = noise_for(masked, batch, latent_size, steps, eta, seed)
    options = {"steps": steps, "guidance": guidance, "eta": eta}
    with torch.inference_mode():
        want = try_on(unet, vae, *inputs, noise=noise, **options)
        got = run(native_unet(unet), native_vae(vae), inputs, noise, **options)
    assert want.std() > 0.01  # a picture, not a clamped plane
    assert_close(got, want, 2e-5)


def test_the_mask_decides_at_one_half():
    """0.5 and above is painted; the mask that the UNet sees is the nearest pixel of the picture's."""
    unet, vae = diffusers_unet(), diffusers_vae()
    person, garment, mask = pictures(True, 1, 12, 8)
    mask = torch.rand_like(mask)
    mask[..., :2, :2] = 0.5
    taps = {}
    with torch.inference_mode():
        run(
            native_unet(unet),
            native_vae(vae),
            (person, garment, mask),
            noise_for(True, 1, (6, 4), 1, 0.0),
            steps=1,
            guidance=1.0,
            eta=0.0,
            tap=taps.setdefault,
        )
    assert torch.equal(taps["vae.masked_person.input"], torch.where(mask < 0.5, person, 0.0))
    seen = taps["step.000.unet_in"][:, 4:5]
    assert torch.equal(seen[:, :, :6], mask[..., ::2, ::2])
    assert (seen[:, :, 6:] == 0).all()


def test_kinds_of_models():
    vae, unet = C.VAEConfig(), C.UNetConfig()
    assert C.is_masked(unet, vae)
    unet.in_channels = 8
    assert not C.is_masked(unet, vae)
    unet.in_channels = 4
    with pytest.raises(ValueError, match=r"the UNet has 4 input channels; CatVTON needs 9 .* or 8"):
        C.is_masked(unet, vae)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"person": torch.zeros(1, 4, 8, 8)}, r"person: expected \[any, 3, any, any\], got \[1, 4, 8, 8\]"),
        ({"person": torch.zeros(3, 8, 8)}, r"person: expected \[any, 3, any, any\], got \[3, 8, 8\]"),
        ({"person": torch.zeros(1)}, r"person: expected \[any, 3, any, any\], got \[1\]"),
        ({"garment": torch.zeros(1, 3, 8, 6)}, r"garment: expected \[1, 3, 8, 8\], got \[1, 3, 8, 6\]"),
        ({"mask": None}, "needs a mask"),
        ({"mask": torch.zeros(1, 3, 8, 8)}, r"mask: expected \[1, 1, 8, 8\], got \[1, 3, 8, 8\]"),
        ({"guidance": -1.0}, "guidance must be 0 or more, got -1"),
        ({"guidance": float("nan")}, "guidance must be 0 or more, got nan"),
        ({"steps": 0}, "steps must be 1 to 1000, got 0"),
        ({"eta": 2.0}, "eta must be between 0 .* and 1, got 2"),
        ({"noise": lambda shape: torch.zeros(1, 4, 4, 5)}, r"noise: expected \[1, 4, 4, 4\], got \[1, 4, 4, 5\]"),
    ],
)
def test_bad_input_is_refused_with_the_value(change, message):
    arguments = {
        "unet": native_unet(diffusers_unet()),
        "vae": native_vae(diffusers_vae()),
        "person": torch.zeros(1, 3, 8, 8),
        "garment": torch.zeros(1, 3, 8, 8),
        "mask": torch.ones(1, 1, 8, 8),
        "scheduler": C.DDIMConfig(),
        "steps": 2,
        "guidance": 2.5,
        "eta": 1.0,
        "noise": torch.zeros,
        **change,
    }
    taps = []
    with pytest.raises(ValueError, match=message):
        C.tryon(**arguments, tap=lambda name, value: taps.append(name))
    assert "noise" in change or not taps  # refused before any work; noise is asked for later
