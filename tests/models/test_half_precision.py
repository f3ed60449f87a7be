"""bfloat16 and float16: the engine's error against float32 stays within twice that of diffusers in the same dtype."""

import pytest
import torch

from catvton._native import C
from reference import noise_for, try_on
from support import apart, diffusers_unet, diffusers_vae, native_unet, native_vae, run_unet

DTYPES = (torch.bfloat16, torch.float16)
MODELS = {
    "small": {},
    "medium": {
        "block_out_channels": (80, 160, 320),
        "attention_head_dim": (2, 2, 2),
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "norm_num_groups": 16,
    },
}


def check(ours, theirs, exact, dtype):
    allowed = 2 * apart(theirs, exact)
    assert allowed > torch.finfo(dtype).eps / 10  # the comparison's own power: diffusers does round
    assert apart(ours, exact) <= allowed


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", MODELS)
@pytest.mark.parametrize("seed", range(3))
def test_unet(dtype, size, seed):
    # The weights are rounded first, so that what is measured is the arithmetic.
    unet = diffusers_unet(seed, **MODELS[size]).to(dtype)
    sample, timesteps = torch.randn(2, 9, 14, 9).to(dtype), torch.tensor([981.0, 21.0])
    with torch.inference_mode():
        ours = native_unet(unet)(sample, timesteps)
        theirs = run_unet(unet, sample, timesteps)
        exact = run_unet(unet.float(), sample.float(), timesteps)
    assert ours.dtype == dtype
    check(ours, theirs, exact, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("seed", range(3))
def test_vae(dtype, seed):
    vae = diffusers_vae(seed).to(dtype)
    native = native_vae(vae)
    images, latents = torch.rand(1, 3, 16, 12).mul(2).sub(1).to(dtype), torch.randn(1, 4, 8, 6).to(dtype)
    with torch.inference_mode():
        (mean, std), decoded = native.encode(images), native.decode(latents)
        their_posterior, their_decoded = vae.encode(images).latent_dist, vae.decode(latents).sample
        vae.float()
        posterior, exact = vae.encode(images.float()).latent_dist, vae.decode(latents.float()).sample
    check(mean, their_posterior.mean, posterior.mean, dtype)
    check(std, their_posterior.std, posterior.std, dtype)
    check(decoded, their_decoded, exact, dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("size", MODELS)
@pytest.mark.parametrize("seed", range(2))
def test_four_steps(dtype, size, seed):
    """The whole try-on. The engine keeps latents and sampling in float32, diffusers keeps them in the models' dtype."""
    unet, vae = diffusers_unet(seed, **MODELS[size]).to(dtype), diffusers_vae(seed, scaling_factor=0.18215).to(dtype)
    inputs = *(torch.rand(2, 1, 3, 16, 12) * 2 - 1), torch.zeros(1, 1, 16, 12)
    inputs[2][..., 4:12, 3:9] = 1
    options = {"steps": 4, "guidance": 2.5, "eta": 1.0}
    noise = noise_for(True, 1, (8, 6), 4, 1.0, seed)
    drawn = iter(noise)
    with torch.inference_mode():
        ours = C.tryon(
            native_unet(unet), native_vae(vae), *inputs, C.DDIMConfig(), **options, noise=lambda shape: next(drawn)
        )
        theirs = try_on(unet, vae, *inputs, **options, noise=noise)
        exact = try_on(unet.float(), vae.float(), *inputs, **options, noise=noise)
    assert ours.dtype == torch.float32
    check(ours, theirs, exact, dtype)
