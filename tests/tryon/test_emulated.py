"""Networks and whole try-ons by the CUDA kernels' bodies, as the emulator runs them: where the kernels take over what
torch does in passes of its own (a convolution's bias, residuals, guidance), nothing is added twice or forgotten."""

import pytest
import torch

from catvton._native import C
from reference import noise_for, try_on
from support import assert_close, diffusers_unet, diffusers_vae, emulated_cuda, native_unet, native_vae, run_unet

FORMATS = (torch.contiguous_format, torch.channels_last)


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
@pytest.mark.parametrize("use_linear_projection", [False, True])
def test_unet(memory_format, use_linear_projection):
    theirs = diffusers_unet(use_linear_projection=use_linear_projection)
    ours = native_unet(theirs)
    sample, timesteps = torch.randn(2, 9, 8, 6).to(memory_format=memory_format), torch.tensor([801.0, 801.0])
    with emulated_cuda():
        assert_close(ours(sample, timesteps), run_unet(theirs, sample, timesteps))


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)
def test_vae(memory_format):
    theirs = diffusers_vae()
    ours = native_vae(theirs)
    picture, latents = (torch.randn(1, c, 16, 8).to(memory_format=memory_format) for c in (3, 4))
    with emulated_cuda():
        assert_close(ours.encode(picture)[0], theirs.encode(picture).latent_dist.mean)
        assert_close(ours.decode(latents), theirs.decode(latents).sample)


@pytest.mark.parametrize("memory_format", FORMATS, ids=str)  # of the weights
@pytest.mark.parametrize("masked", [True, False])
@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_try_on(memory_format, masked, guidance):
    unet, vae = diffusers_unet(in_channels=9 if masked else 8), diffusers_vae()
    person, garment = torch.rand(2, 2, 3, 10, 6) * 2 - 1
    mask = (torch.rand(2, 1, 10, 6) > 0.5).float() if masked else None
    noise = noise_for(masked, 2, (5, 3), 3, 1.0, 0)
    options = {"steps": 3, "guidance": guidance, "eta": 1.0}
    with torch.inference_mode():
        want = try_on(unet, vae, person, garment, mask, noise=noise, **options)
    unet = unet.to(memory_format=memory_format)
    drawn = iter(noise)
    with emulated_cuda():
        got = C.tryon(
            native_unet(unet),
            native_vae(vae),
            person,
            garment,
            mask,
            C.DDIMConfig(),
            **options,
            noise=lambda _: next(drawn),
        )
    assert want.std() > 0.01
    assert_close(got, want, 2e-5)
