"""The native UNet against diffusers' UNet2DConditionModel, cross-attention skipped as the reference skips it."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catvton._native import C
from support import (
    assert_close,
    diffusers_unet,
    native_unet,
    run_unet,
    shapes,
    unet_config,
    unet_weights,
)

HEAD_DIMS = (8, 20, 40, 80, 160)  # SD 1.5's are 40, 80, 160


@st.composite
def unet_options(draw):
    """Options of UNet2DConditionModel: any blocks in any order that diffusers can build."""
    blocks = draw(st.integers(1, 3))
    heads, channels = [], []
    for _ in range(blocks):
        dim = draw(st.sampled_from(HEAD_DIMS))
        heads.append(draw(st.sampled_from([n for n in (1, 2, 5, 8) if n * dim <= 160])))
        channels.append(heads[-1] * dim)

    def per_block(values):
        return st.tuples(*[values] * blocks)

    transformer_layers = draw(per_block(st.integers(1, 2)))
    return {
        "in_channels": draw(st.sampled_from((8, 9))),
        "out_channels": draw(st.sampled_from((4, 3))),
        "block_out_channels": tuple(channels),
        "attention_head_dim": tuple(heads),
        "down_block_types": draw(per_block(st.sampled_from(("DownBlock2D", "CrossAttnDownBlock2D")))),
        "up_block_types": draw(per_block(st.sampled_from(("UpBlock2D", "CrossAttnUpBlock2D")))),
        "mid_block_type": draw(st.sampled_from(("UNetMidBlock2DCrossAttn", "UNetMidBlock2D"))),
        "layers_per_block": draw(per_block(st.integers(1, 3))),
        "transformer_layers_per_block": transformer_layers,
        "use_linear_projection": draw(st.booleans()),
        "norm_num_groups": draw(st.sampled_from((1, 2, 4))),
        "norm_eps": draw(st.sampled_from((1e-5, 1e-3))),
        "flip_sin_to_cos": draw(st.booleans()),
        "freq_shift": draw(st.sampled_from((0, 1))),
    }


def sample_and_timesteps(unet, batch, height, width):
    return torch.randn(batch, unet.config.in_channels, height, width), torch.randint(0, 1000, (batch,)).float()


@settings(max_examples=30)
@given(
    options=unet_options(),
    batch=st.integers(1, 3),
    size=st.sampled_from(((8, 8), (13, 7), (5, 12), (1, 1), (9, 16), (2, 3))),
    seed=st.integers(0, 1000),
)
def test_forward_equals_diffusers(options, batch, size, seed):
    unet = diffusers_unet(seed, **options)
    sample, timesteps = sample_and_timesteps(unet, batch, *size)
    with torch.inference_mode():
        assert_close(native_unet(unet)(sample, timesteps), run_unet(unet, sample, timesteps))


@pytest.mark.parametrize("size", [(16, 8), (13, 7), (34, 13)])
def test_forward_at_sd15_head_dims(size):
    """Eight heads of 40, 80 and 160 channels, blocks as SD 1.5 has them."""
    unet = diffusers_unet(
        block_out_channels=(320, 640, 1280),
        attention_head_dim=8,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        norm_num_groups=32,
    )
    sample, timesteps = sample_and_timesteps(unet, 2, *size)
    with torch.inference_mode():
        assert_close(native_unet(unet)(sample, timesteps), run_unet(unet, sample, timesteps))


@settings(max_examples=25)
@given(options=unet_options())
def test_shapes_are_those_of_diffusers_without_cross_attention(options):
    with torch.device("meta"):
        unet = diffusers_unet(**options)
    assert C.UNet.shapes(unet_config(unet)) == shapes(unet_weights(unet))


@settings(max_examples=25)
@given(options=unet_options())
def test_config_is_inferred_from_shapes(options):
    """All but what shapes cannot tell: heads, groups, eps and the details of the timestep's embedding."""
    with torch.device("meta"):
        unet = diffusers_unet(**options)
    want, got = unet_config(unet), C.UNetConfig.infer(shapes(unet_weights(unet)))
    for name in ("in_channels", "out_channels", "block_out_channels", "down_block_attention", "up_block_attention"):
        assert getattr(got, name) == getattr(want, name), name
    assert got.mid_block_attention == want.mid_block_attention
    assert got.layers_per_block == want.layers_per_block
    got.attention_heads, got.norm_num_groups = want.attention_heads, want.norm_num_groups
    assert C.UNet.shapes(got) == shapes(unet_weights(unet))


def test_sd15_inpainting_has_the_published_number_of_parameters():
    numbers = [torch.Size(shape).numel() for shape in C.UNet.shapes(C.UNetConfig()).values()]
    assert sum(numbers) == 859_535_364 - 43_962_560  # all, without attn2


def test_the_trained_self_attention_has_the_published_number_of_parameters():
    config = C.UNetConfig()
    trained = [
        torch.Size(shape).numel()
        for name, shape in C.UNet.shapes(config).items()
        if name.startswith(tuple(config.self_attentions))
    ]
    assert (len(trained), sum(trained)) == (80, 49_574_080)


@pytest.mark.parametrize("middle", ["UNetMidBlock2DCrossAttn", "UNetMidBlock2D"])
def test_self_attentions_in_the_order_of_the_modules(middle):
    """The reference walks named_modules(), in which diffusers' middle block comes last."""
    with torch.device("meta"):
        unet = diffusers_unet(
            mid_block_type=middle,
            block_out_channels=(32, 32, 64),
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D", "CrossAttnUpBlock2D"),
            layers_per_block=(1, 2, 1),
            transformer_layers_per_block=(2, 1, 1),
        )
    want = [name for name, _ in unet.named_modules() if name.endswith("attn1")]
    assert unet_config(unet).self_attentions == want


@pytest.mark.parametrize("seed", range(3))
def test_gradients_equal_diffusers(seed):
    """Of every weight and of the sample, in float32: the same forward trains."""
    unet = diffusers_unet(
        seed,
        block_out_channels=(40, 80),
        attention_head_dim=(1, 2),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        use_linear_projection=seed == 1,
        transformer_layers_per_block=(2, 1),
    )
    sample, timesteps = sample_and_timesteps(unet, 2, 7, 6)
    target = torch.randn(2, 4, 7, 6)

    want_sample = sample.clone().requires_grad_()
    (run_unet(unet, want_sample, timesteps) - target).square().mean().backward()
    want = {name: weight.grad for name, weight in unet.named_parameters() if weight.grad is not None}

    leaves = {name: weight.detach().clone().requires_grad_() for name, weight in unet_weights(unet).items()}
    got_sample = sample.clone().requires_grad_()
    model = C.UNet(leaves, unet_config(unet))
    (model(got_sample, timesteps) - target).square().mean().backward()

    assert leaves.keys() == want.keys()
    assert_close(got_sample.grad, want_sample.grad, what="sample")
    largest = max(grad.abs().max() for grad in want.values())
    for name, grad in want.items():
        # A bias before a norm has a gradient that is rounding alone: below 1e-3 of the largest, the gate is absolute.
        scale = max(grad.abs().max(), 1e-3 * largest)
        assert ((leaves[name].grad - grad).abs().max() / scale).item() <= 1e-5, name


def test_parameters_are_the_tensors_given():
    """Shared, not copied: an optimizer's step on them is the model's."""
    unet = diffusers_unet()
    weights = unet_weights(unet)
    model = C.UNet(weights, unet_config(unet))
    assert model.parameters.keys() == weights.keys()
    for name, weight in model.parameters.items():
        assert weight.data_ptr() == weights[name].data_ptr()
    sample, timesteps = sample_and_timesteps(unet, 1, 4, 4)
    with torch.inference_mode():
        before = model(sample, timesteps)
        weights["conv_out.bias"].add_(1)
        torch.testing.assert_close(model(sample, timesteps), before + 1)


def test_every_misfit_of_a_state_dict_is_reported_at_once():
    unet = diffusers_unet()
    state = unet_weights(unet)
    state["conv_in.wieght"] = state.pop("conv_in.weight")
    state["conv_out.bias"] = torch.zeros(5)
    state["time_embedding.linear_1.bias"] = state["time_embedding.linear_1.bias"].to(torch.int32)
    with pytest.raises(ValueError) as raised:
        C.UNet(state, unet_config(unet))
    text = str(raised.value)
    assert "missing conv_in.weight [32, 9, 3, 3]" in text
    assert "unexpected conv_in.wieght [32, 9, 3, 3]" in text
    assert "conv_out.bias: expected [4], got [5]" in text
    assert "time_embedding.linear_1.bias: expected float32, bfloat16 or float16, got int32" in text


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda sample, t: (sample[:, :8], t), r"UNet sample: expected \[any, 9, any, any\], got \[2, 8, 4, 4\]"),
        (lambda sample, t: (sample[0], t), r"UNet sample: expected \[any, 9, any, any\], got \[9, 4, 4\]"),
        (lambda sample, t: (sample, t[:1]), r"UNet timesteps: expected \[2\], got \[1\]"),
        (lambda sample, t: (sample.bfloat16(), t), r"UNet sample is bfloat16 .*, the weights are float32 .*convert"),
        (lambda sample, t: (sample.to("meta"), t), r"UNet sample is .* on meta, the weights are .* on cpu"),
    ],
)
def test_unfit_input_is_refused_with_both_values(change, message):
    unet = diffusers_unet()
    model = native_unet(unet)
    with pytest.raises(ValueError, match=message):
        model(*change(*sample_and_timesteps(unet, 2, 4, 4)))


@pytest.mark.parametrize(
    "field, value, message",
    [
        ("block_out_channels", [], "block_out_channels is empty"),
        ("layers_per_block", [2, 2], r"layers_per_block must hold 4 positive numbers, got \[2, 2\]"),
        ("attention_heads", [8, 8, 0, 8], r"attention_heads must hold 4 positive numbers"),
        ("attention_heads", [8, 8, 7, 8], "1280 channels do not divide into 7 heads; check attention_head_dim"),
        ("norm_num_groups", 0, "norm_num_groups must be positive, got 0"),
        ("norm_num_groups", 33, "channels do not divide into 33 groups; check norm_num_groups"),
        ("down_block_attention", [True], "down_block_types must name 4 blocks"),
        ("in_channels", 0, "in_channels and out_channels must be positive"),
    ],
)
def test_unfit_config_is_refused(field, value, message):
    config = C.UNetConfig()
    setattr(config, field, value)
    with pytest.raises(ValueError, match=message):
        C.UNet.shapes(config)


def test_weights_of_something_else_are_named_so():
    with pytest.raises(ValueError, match=r"not a UNet of the SD 1\.5 family: it has no conv_in\.weight"):
        C.UNetConfig.infer({"encoder.conv_in.weight": [16, 3, 3, 3]})
