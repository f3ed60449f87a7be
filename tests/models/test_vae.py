"""The native VAE against diffusers' AutoencoderKL."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catvton._native import C
from support import assert_close, diffusers_vae, native_vae, shapes, vae_config


@st.composite
def vae_options(draw):
    blocks = draw(st.integers(1, 4))
    return {
        "block_out_channels": tuple(draw(st.sampled_from((8, 16, 24))) for _ in range(blocks)),
        "down_block_types": ("DownEncoderBlock2D",) * blocks,
        "up_block_types": ("UpDecoderBlock2D",) * blocks,
        "layers_per_block": draw(st.integers(1, 3)),
        "latent_channels": draw(st.sampled_from((4, 3, 16))),
        "norm_num_groups": draw(st.sampled_from((1, 4, 8))),
        "mid_block_add_attention": draw(st.booleans()),
        "use_quant_conv": draw(st.booleans()),
        "use_post_quant_conv": draw(st.booleans()),
    }


@settings(max_examples=30)
@given(
    options=vae_options(),
    batch=st.integers(1, 3),
    latent_size=st.sampled_from(((4, 4), (5, 3), (1, 1), (2, 7))),
    seed=st.integers(0, 1000),
)
def test_encode_and_decode_equal_diffusers(options, batch, latent_size, seed):
    vae = diffusers_vae(seed, **options)
    native, scale = native_vae(vae), 2 ** (len(vae.config.block_out_channels) - 1)
    images = torch.rand(batch, 3, *(size * scale for size in latent_size)) * 2 - 1
    latents = torch.randn(batch, vae.config.latent_channels, *latent_size)
    with torch.inference_mode():
        want = vae.encode(images).latent_dist
        mean, std = native.encode(images)
        assert_close(mean, want.mean, what="mean")
        assert_close(std, want.std, what="std")
        assert_close(native.decode(latents), vae.decode(latents).sample, what="decoded")


def test_the_logarithm_of_the_variance_is_clamped():
    """diffusers clamps it to -30..20 before exp(): an untrained encoder stays finite."""
    vae = diffusers_vae(use_quant_conv=True)
    with torch.inference_mode():
        vae.quant_conv.weight.zero_()
        vae.quant_conv.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 0.0, -100.0, -29.0, 19.0, 100.0]))
        images = torch.rand(1, 3, 4, 4)
        want, (_, std) = vae.encode(images).latent_dist.std, native_vae(vae).encode(images)
        assert torch.equal(std, want)
        torch.testing.assert_close(std[0, :, 0, 0], torch.tensor([-30.0, -29.0, 19.0, 20.0]).div(2).exp())


@settings(max_examples=25)
@given(options=vae_options())
def test_shapes_and_config_are_those_of_diffusers(options):
    with torch.device("meta"):
        vae = diffusers_vae(**options)
    want = shapes(vae.state_dict())
    assert C.VAE.shapes(vae_config(vae)) == want
    inferred = C.VAEConfig.infer(want)
    for name in ("in_channels", "out_channels", "latent_channels", "layers_per_block", "use_quant_conv"):
        assert getattr(inferred, name) == getattr(vae.config, name), name
    assert inferred.block_out_channels == list(vae.config.block_out_channels)
    assert inferred.mid_block_add_attention == vae.config.mid_block_add_attention
    assert inferred.use_post_quant_conv == vae.config.use_post_quant_conv
    assert inferred.downscale == 2 ** (len(vae.config.block_out_channels) - 1)


def test_sd_vae_has_the_published_number_of_parameters():
    numbers = [torch.Size(shape).numel() for shape in C.VAE.shapes(C.VAEConfig()).values()]
    assert sum(numbers) == 83_653_863


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda vae: vae.encode(torch.zeros(1, 3, 5, 8)), r"multiples of 2, got \[1, 3, 5, 8\]"),
        (lambda vae: vae.encode(torch.zeros(3, 8, 8)), r"VAE images: expected \[any, 3, any, any\], got \[3, 8, 8\]"),
        (lambda vae: vae.encode(torch.zeros(1, 3, 8, 8).half()), "VAE images are float16 .*, the weights are float32"),
        (lambda vae: vae.decode(torch.zeros(1, 3, 8, 8)), r"VAE latents: expected \[any, 4, any, any\], got"),
        (lambda vae: vae.decode(torch.zeros(1, 4, 8, 8).double()), "VAE latents are float64 .*, the weights are"),
    ],
)
def test_unfit_input_is_refused_with_both_values(call, message):
    native = native_vae(diffusers_vae())
    with pytest.raises(ValueError, match=message):
        call(native)


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("block_out_channels", [], "block_out_channels is empty"),
        ("block_out_channels", [16, -1], r"block_out_channels must be positive, got \[16, "),
        ("layers_per_block", 0, "layers_per_block must be positive"),
        ("norm_num_groups", 0, "norm_num_groups must be positive"),
        ("norm_num_groups", 33, "do not divide into 33 groups"),
        ("scaling_factor", 0.0, "scaling_factor must be positive, got 0"),
        ("latent_channels", 0, "channels must be positive"),
    ],
)
def test_unfit_config_is_refused(field, value, message):
    config = C.VAEConfig()
    setattr(config, field, value)
    with pytest.raises(ValueError, match=message):
        C.VAE.shapes(config)


def test_weights_of_something_else_are_named_so():
    with pytest.raises(ValueError, match=r"not an AutoencoderKL: it has no encoder\.conv_in\.weight"):
        C.VAEConfig.infer({"conv_in.weight": [320, 9, 3, 3]})
