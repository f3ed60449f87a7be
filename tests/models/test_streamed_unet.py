"""The UNet whose weights come part by part, against diffusers' and against the whole one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from catvton import streaming
from catvton._native import C
from support import assert_close, diffusers_unet, error, native_unet, run_unet, unet_config, unet_weights

CPU = torch.device("cpu")


@st.composite
def unet_options(draw):
    blocks = draw(st.integers(1, 3))
    attention = [draw(st.booleans()) for _ in range(blocks)]
    return {
        "block_out_channels": tuple(draw(st.sampled_from((8, 16))) for _ in range(blocks)),
        "down_block_types": tuple("CrossAttnDownBlock2D" if a else "DownBlock2D" for a in attention),
        "up_block_types": tuple("CrossAttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attention)),
        "layers_per_block": draw(st.integers(1, 2)),
        "attention_head_dim": 4,
        "norm_num_groups": 4,
    }


@settings(max_examples=25)
@given(options=unet_options(), size=st.sampled_from(((8, 4), (13, 7))), share=st.sampled_from((0.0, 0.6, 1.0)))
def test_streamed_equals_diffusers(options, size, share):
    unet = diffusers_unet(**options)
    streamer = streaming.Streamer(native_unet(unet), CPU, share, copies=True)
    branches, timesteps = torch.randn(2, 2, 9, *size).unbind(), torch.tensor([801.0, 801.0])
    with torch.inference_mode():
        for _ in range(2):  # the second time, what is kept is there
            for got, sample in zip(streamer.network(list(branches), timesteps), branches, strict=True):
                assert_close(got, run_unet(unet, sample, timesteps))


def test_parts_hold_every_weight_once_in_the_order_of_use():
    config = C.UNetConfig()
    parts = C.StreamedUNet.parts(config)
    assert parts[0] == "in" and parts[-1] == "out" and len(set(parts)) == len(parts)
    shapes = C.UNet.shapes(config)
    assert {C.StreamedUNet.part(name) for name in shapes} == set(parts)
    sizes = dict.fromkeys(parts, 0)
    for name, shape in shapes.items():
        sizes[C.StreamedUNet.part(name)] += torch.Size(shape).numel()
    assert sum(sizes.values()) == 815_572_804 and max(sizes.values()) < 93e6


def test_each_part_is_asked_for_once_and_nothing_else_is_held():
    unet, asked, alive = native_unet(diffusers_unet()), [], []
    streamer = streaming.Streamer(unet, CPU, copies=True)

    def fetch(part, following):
        asked.append(part)
        alive.append(sum(weight.untyped_storage().nbytes() for weight in streamer.fetch(part, following).values()))
        return streamer.fetch(part, following)

    network = C.StreamedUNet(unet.config, torch.empty(0), fetch)
    with torch.inference_mode():
        network([torch.randn(1, 9, 8, 8)] * 2, torch.tensor([1.0]))
    assert asked == streamer.order
    assert not streamer.there and max(alive) < sum(alive) / 3


def test_a_missing_weight_is_named():
    unet = native_unet(diffusers_unet())
    streamer = streaming.Streamer(unet, CPU)
    del streamer.parts["mid_block"]["mid_block.resnets.0.norm1.weight"]
    with pytest.raises(ValueError, match=r"missing mid_block\.resnets\.0\.norm1\.weight"):
        streamer.network([torch.randn(1, 9, 8, 8)], torch.tensor([1.0]))


# ---- eight bits -----------------------------------------------------------------------------------------------------


def test_every_weight_is_off_by_a_sixteenth_at_most():
    weight = torch.randn(32, 16, 3, 3) * torch.logspace(-4, 2, 32)[:, None, None, None]
    weight[3] = 0
    stored = streaming.Float8.of(weight)
    assert stored.values.dtype == torch.float8_e4m3fn and stored.nbytes < weight.nbytes / 3.8
    off = (stored.expanded(torch.float32) - weight).abs()
    largest = weight.abs().amax((1, 2, 3), keepdim=True)
    assert (off <= torch.maximum(weight.abs() / 16, largest / 448 / 2**10) * 1.0001).all()
    assert (stored.expanded(torch.float32)[3] == 0).all()


def test_a_forward_with_eight_bits_is_that_of_the_rounded_weights():
    """The truth is diffusers' UNet with weights rounded the same way by a naive loop over channels."""
    unet = diffusers_unet()
    small = streaming.Float8UNet.of(native_unet(unet))
    sample, timesteps = torch.randn(2, 9, 8, 8), torch.tensor([501.0, 501.0])
    with torch.inference_mode():
        exact = run_unet(unet, sample, timesteps)
        for name, weight in unet_weights(unet).items():
            if weight.ndim > 1 and name.split(".")[0] in ("down_blocks", "mid_block", "up_blocks"):
                for channel in weight:
                    scale = channel.abs().max() / 448
                    channel.copy_((channel / scale).to(torch.float8_e4m3fn).float() * scale)
        rounded = run_unet(unet, sample, timesteps)
        got = streaming.Streamer(small, CPU).network([sample], timesteps)[0]
    assert_close(got, rounded)
    assert 1e-3 < error(got, exact) < 0.1
    assert_close(C.UNet(small.parameters, unet_config(unet))(sample, timesteps), rounded)
