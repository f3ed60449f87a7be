"""A UNet that gets attention at its outermost level, and what that changes: nothing at first."""

import pytest
import torch

from catvton._native import C
from catvton.train.grow import grown
from catvton.train.networks import fresh_unet, small_unet


def made(config):
    """With weights that let every layer count: a fresh UNet's last one is zeros."""
    weights = fresh_unet(config, 3)
    weights["conv_out.weight"].normal_(0, 0.1, generator=torch.Generator().manual_seed(0))
    return C.UNet(weights, config)


def test_it_computes_what_it_did_and_all_of_it_can_learn():
    before = made(small_unet())
    after = grown(before, heads=2, seed=5)
    sample, step = torch.randn(1, 9, 48, 18), torch.tensor([500])
    assert torch.equal(after(sample, step), before(sample, step))

    new = set(after.parameters) - set(before.parameters)
    assert {name.split(".transformer_blocks")[0] for name in new if "transformer_blocks" in name} == {
        "up_blocks.2.attentions.0", "up_blocks.2.attentions.1"
    }  # fmt: skip
    assert before.config.up_block_attention == [True, True, False]  # it is a copy that was grown
    for name in new:
        after.parameters[name].normal_(0, 0.3, generator=torch.Generator().manual_seed(0))
    assert not torch.allclose(after(sample, step), before(sample, step))


def test_what_cannot_grow_is_refused():
    unet = made(small_unet())
    with pytest.raises(ValueError, match="3 heads do not divide the 64 channels"):
        grown(unet, heads=3)
    with pytest.raises(ValueError, match="already"):
        grown(grown(unet, heads=2), heads=2)
