"""Layers by themselves, as benchmarks and the eight-bit tests use them: torch's, whatever becomes of their weights."""

import pytest
import torch
import torch.nn.functional as F

from catvton._native import C
from support import error

PACKINGS = [C.nn.Packing.none, C.nn.Packing.exact]
packings = pytest.mark.parametrize("packing", PACKINGS, ids=lambda packing: packing.name)


@packings
@torch.inference_mode()
def test_linear(packing):
    x, w, b, r = torch.randn(2, 5, 24), torch.randn(40, 24), torch.randn(40), torch.randn(2, 5, 40)
    layer = C.nn.Linear(w, b, packing)
    assert error(layer(x), F.linear(x, w, b)) < 1e-6
    assert error(layer(x, r), F.linear(x, w, b) + r) < 1e-6
    assert error(C.nn.Linear(w, packing=packing)(x), F.linear(x, w)) < 1e-6


@packings
@pytest.mark.parametrize("channels, kernel, stride, padding", [(24, 3, 2, 1), (64, 3, 1, 1), (24, 1, 1, 0)])
@torch.inference_mode()
def test_conv2d(packing, channels, kernel, stride, padding):
    """Of 64 channels, where a Winograd kernel is for them; of one pixel, a linear layer over pixels."""
    x, w, b = torch.randn(2, channels, 9, 7), torch.randn(64, channels, kernel, kernel), torch.randn(64)
    expected = F.conv2d(x, w, b, stride, padding)
    residual = torch.randn_like(expected)
    layer = C.nn.Conv2d(w, b, stride, padding, packing)
    assert error(layer(x), expected) < 2e-6
    assert error(layer(x, residual), expected + residual) < 2e-6


@packings
@torch.inference_mode()
def test_upsample2d(packing):
    x, w, b = torch.randn(2, 64, 5, 3), torch.randn(64, 64, 3, 3), torch.randn(64)
    expected = F.conv2d(F.interpolate(x, scale_factor=2.0), w, b, padding=1)
    assert error(C.nn.Upsample2D(w, b, packing)(x), expected) < 2e-6


def test_weights_that_do_not_fit():
    with pytest.raises(ValueError, match="weight of a linear layer"):
        C.nn.Linear(torch.randn(4, 3, 1))
    with pytest.raises(ValueError, match=r"bias: expected \[4\], got \[3\]"):
        C.nn.Conv2d(torch.randn(4, 3, 3, 3), torch.randn(3))
    with pytest.raises(ValueError, match="weight of an upsampling convolution"):
        C.nn.Upsample2D(torch.randn(4, 4, 1, 1), torch.randn(4))
