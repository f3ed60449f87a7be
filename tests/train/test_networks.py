"""Which weights train, and what fresh networks are."""

import math

import pytest

from catvton._native import C
from catvton.train.networks import TRAINED, fresh_unet, fresh_vae, small_unet, small_vae, trained_names

# The paper's ablation (arXiv 2407.15886, table 4): 49.57 M, 267.24 M and, without cross-attention, 815.57 M. Its number
# for the transformer blocks still counts the cross-attentions, 43.96 M, which CatVTON does not use.
CROSS_ATTENTION = 43_962_560


@pytest.mark.parametrize("what, unused, millions", [
    ("attention", 0, 49.57), ("transformer", CROSS_ATTENTION, 267.24), ("unet", 0, 815.57),
])  # fmt: skip
def test_trained_parameters_of_the_full_size(what, unused, millions):
    config = C.UNetConfig()
    shapes = C.UNet.shapes(config)
    names = trained_names(config, list(shapes), what)
    assert round((sum(math.prod(shapes[name]) for name in names) + unused) / 1e6, 2) == millions
    assert what != "attention" or len(names) == 80


def test_unknown_part_is_refused():
    with pytest.raises(ValueError, match=f"'head': expected one of {', '.join(TRAINED)}"):
        trained_names(small_unet(), [], "head")


def test_small_networks_fit_sixteen_megabytes_in_float16():
    unet, vae = fresh_unet(small_unet(), 0), fresh_vae(small_vae(), 0)
    C.UNet(unet, small_unet()), C.VAE(vae, small_vae())  # strict: every name and shape is right
    parameters = [sum(weight.numel() for weight in state.values()) for state in (unet, vae)]
    assert [round(count / 1e6, 1) for count in parameters] == [5.7, 1.7]
    assert 2 * sum(parameters) < 16e6
