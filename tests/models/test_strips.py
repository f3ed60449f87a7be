"""The VAE in strips of rows against diffusers' AutoencoderKL, which holds whole maps: the same result to rounding."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catvton import memory
from catvton._native import C
from support import assert_close, diffusers_vae, error, native_vae


@st.composite
def cases(draw):
    blocks = draw(st.integers(1, 3))
    channels = st.sampled_from((8, 16, 24))  # resnets that widen, narrow and keep
    return {
        "block_out_channels": tuple(draw(channels) for _ in range(blocks)),
        "down_block_types": ("DownEncoderBlock2D",) * blocks,
        "up_block_types": ("UpDecoderBlock2D",) * blocks,
        "layers_per_block": draw(st.integers(1, 2)),
        "norm_num_groups": draw(st.sampled_from((1, 4, 8))),
        "mid_block_add_attention": draw(st.booleans()),
    }


@settings(max_examples=40)
@given(
    options=cases(),
    batch=st.integers(1, 2),
    latent_size=st.sampled_from(((8, 5), (7, 3), (1, 4), (13, 1), (5, 5))),
    strip=st.one_of(st.just(1), st.integers(100, 20000)),
    pack=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_strips_of_any_size_equal_diffusers(options, batch, latent_size, strip, pack, seed):
    vae = diffusers_vae(seed, **options)
    native, scale = native_vae(vae, pack=pack), 2 ** (len(vae.config.block_out_channels) - 1)
    images = torch.rand(batch, 3, *(size * scale for size in latent_size)) * 2 - 1
    latents = torch.randn(batch, 4, *latent_size)
    with torch.inference_mode():
        want = vae.encode(images).latent_dist
        mean, std = native.encode(images, strip=strip)
        assert_close(mean, want.mean, what="mean")
        assert_close(std, want.std, what="std")
        assert_close(native.decode(latents, strip=strip), vae.decode(latents).sample, what="decoded")


@settings(max_examples=15)
@given(
    latent_size=st.sampled_from(((8, 5), (7, 3), (1, 4), (13, 1))),
    strip=st.integers(500, 4000),
    batch=st.integers(1, 2),
    dtype=st.sampled_from((torch.float32, torch.bfloat16)),
)
def test_an_enlarged_map_that_is_not_held(latent_size, strip, batch, dtype):
    """More than 16 strips of it, and channels that ops/winograd takes: its rows are computed as they are read."""
    channels = (64, 128) if dtype == torch.float32 else (128, 64)  # narrows, and widens
    half = diffusers_vae(block_out_channels=channels, norm_num_groups=8).to(dtype)
    native = native_vae(half, pack=True)
    latents = torch.randn(batch, 4, *latent_size).to(dtype)
    with torch.inference_mode():
        want = half.float().decode(latents.float()).sample
        assert_close(native.decode(latents, strip=strip), want, gate=2e-2 if dtype == torch.bfloat16 else 1e-5)


def test_statistics_are_those_of_the_whole_map():
    """Top and bottom differ by far: statistics of a strip's own would change everything."""
    vae = diffusers_vae()
    latents = torch.randn(1, 4, 16, 8)
    latents[:, :, 8:] = latents[:, :, 8:] * 0.01 + 30
    with torch.inference_mode():
        want = vae.decode(latents).sample
        assert_close(native_vae(vae).decode(latents, strip=600), want)
        alone = torch.cat([vae.decode(half).sample for half in latents.chunk(2, 2)], 2)
        assert error(alone, want) > 0.05


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_rounds_no_more_than_whole_maps(dtype):
    vae = diffusers_vae()
    native, latents = native_vae(vae.to(dtype)), torch.randn(2, 4, 15, 9).to(dtype)
    exact = native_vae(vae.float())
    with torch.inference_mode():
        want = exact.decode(latents.float())
        whole = (native.decode(latents).float() - want).square().mean()
        strips = (native.decode(latents, strip=1500).float() - want).square().mean()
    assert 0 < strips <= 2 * whole


def test_the_argument_is_left_alone_and_a_tap_sees_whole_maps():
    vae = native_vae(diffusers_vae())
    latents, images, taps = torch.randn(1, 4, 8, 8), torch.rand(1, 3, 16, 16), {}
    copies = latents.clone(), images.clone()
    with torch.inference_mode():
        vae.decode(latents, strip=1)
        vae.encode(images, strip=1)
        tapped = vae.decode(latents, strip=1, tap=taps.setdefault)
        assert torch.equal(tapped, vae.decode(latents))
    assert torch.equal(latents, copies[0]) and torch.equal(images, copies[1])
    assert "layer.vae.decoder.up_blocks.0.resnets.0.norm2" in taps


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_workspace_at_the_published_size(dtype):
    """Three maps of 128 channels at full size (the upsampled one counts for two), and strips."""
    like = torch.empty(0, dtype=dtype, device="meta")
    vae = C.VAE.blank(C.VAEConfig(), like)
    full = 128 * 1024 * 768 * dtype.itemsize
    weights = vae.parameters.values()
    decode = memory.recorded_peak(lambda: vae.decode(like.new_empty(1, 4, 128, 96), strip=2**23), weights)
    encode = memory.recorded_peak(lambda: vae.encode(like.new_empty(1, 3, 1024, 768), strip=2**23), weights)
    whole = memory.recorded_peak(lambda: vae.decode(like.new_empty(1, 4, 128, 96)), weights)
    assert 3 * full < decode < 3.5 * full < whole / 1.9
    assert 2 * full < encode < 2.5 * full
