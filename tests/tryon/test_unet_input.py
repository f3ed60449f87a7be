"""The UNet's input, by torch's operators and by the CUDA kernel's body, against one put together by hand."""

from contextlib import nullcontext

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from catvton._native import C
from support import emulated_cuda


def by_hand(latents, person, garment, mask, guided):
    dim = 2 if mask is not None else 3
    branches = []
    for shown in (torch.zeros_like(garment), garment)[0 if guided else 1 :]:
        channels = [latents, torch.cat([person, shown], dim)]
        if mask is not None:
            channels.insert(1, torch.cat([mask, torch.zeros_like(mask)], dim))
        branches.append(torch.cat(channels, 1))
    return torch.cat(branches)


@pytest.mark.parametrize("how", [nullcontext, emulated_cuda], ids=["aten", "cuda"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@given(
    batch=st.integers(1, 3),
    channels=st.integers(1, 5),
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    masked=st.booleans(),
    guided=st.booleans(),
    channels_last=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_every_number_is_in_its_place(how, dtype, batch, channels, height, width, masked, guided, channels_last, seed):
    generator = torch.Generator().manual_seed(seed)
    joined = (2 * height, width) if masked else (height, 2 * width)
    latents = torch.randn(batch, channels, *joined, generator=generator)
    person, garment = torch.randn(2, batch, channels, height, width, generator=generator)
    mask = torch.rand(batch, 1, height, width, generator=generator).round() if masked else None
    with how():
        found = C.ops.unet_input(latents, person, garment, mask, guided, torch.empty(0, dtype=dtype), channels_last)
    assert found.dtype == dtype
    assert torch.equal(found, by_hand(latents, person, garment, mask, guided).to(dtype))
    assert found.is_contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format)


def test_what_does_not_fit_is_named():
    latents, half = torch.zeros(1, 4, 6, 3), torch.zeros(1, 4, 3, 3)
    with pytest.raises(ValueError, match=r"latents: expected \[1, 4, 3, 6\], got \[1, 4, 6, 3\]"):
        C.ops.unet_input(latents, half, half, None, True, latents)
    with pytest.raises(ValueError, match=r"mask at latent size: expected \[1, 1, 3, 3\], got \[1, 1, 6, 3\]"):
        C.ops.unet_input(latents, half, half, latents[:, :1], True, latents)
