"""The whole engine on torch's `meta` device: shapes without computing, a model of SD 1.5's size without memory."""

import os

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from catvton._native import C

META = torch.empty((), device="meta", dtype=torch.bfloat16)


def meta(*shape, dtype=torch.bfloat16):
    return torch.empty(shape, device="meta", dtype=dtype)


def check(tensor, shape, dtype=torch.bfloat16):
    assert (tensor.device.type, tuple(tensor.shape), tensor.dtype) == ("meta", shape, dtype)


@pytest.fixture(scope="module", params=[9, 8], ids=["masked", "mask-free"])
def unet(request):
    config = C.UNetConfig()
    config.in_channels = request.param
    return C.UNet.blank(config, META)


@pytest.fixture(scope="module")
def vae():
    return C.VAE.blank(C.VAEConfig(), META)


@pytest.mark.parametrize("size", [(256, 96), (13, 7)])
def test_unet(unet, size):
    output = unet(meta(2, unet.config.in_channels, *size), meta(2, dtype=torch.float32))
    check(output, (2, 4, *size))


def test_vae(vae):
    mean, std = vae.encode(meta(2, 3, 1024, 768))
    check(mean, (2, 4, 128, 96))
    check(std, (2, 4, 128, 96))
    check(vae.decode(mean), (2, 3, 1024, 768))


def test_blank_has_the_shapes_and_the_dtype(unet):
    assert {name: list(tensor.shape) for name, tensor in unet.parameters.items()} == C.UNet.shapes(unet.config)
    assert all(tensor.device.type == "meta" and tensor.dtype == META.dtype for tensor in unet.parameters.values())


def test_try_on(unet, vae):
    masked = unet.config.in_channels == 9
    picture = meta(1, 3, 1024, 768, dtype=torch.float32)
    taps = {}
    result = C.tryon(
        unet,
        vae,
        picture,
        picture,
        meta(1, 1, 1024, 768, dtype=torch.float32) if masked else None,
        C.DDIMConfig(),
        steps=2,
        guidance=2.5,
        eta=1.0,
        noise=lambda shape: meta(*shape, dtype=torch.float32),
        tap=taps.setdefault,
    )
    check(result, (1, 1024, 768, 3), torch.float32)
    joined = (256, 96) if masked else (128, 192)
    check(taps["step.001.unet_in"], (2, unet.config.in_channels, *joined), torch.float32)
    check(taps["step.001.prev_sample"], (1, 4, *joined), torch.float32)
    assert all(tensor.device.type == "meta" for tensor in taps.values())


class CallsOfSteps(TorchDispatchMode):
    """What torch was called with, from the first latents on to the decoder."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        devices = {leaf.device.type for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)}
        self.calls.append((str(func), devices))
        return result


def test_a_step_does_not_wait_for_the_device(unet, vae):
    """No value is read back, and nothing is copied from or to the CPU, from one step's callback to the next one's."""
    masked = unet.config.in_channels == 9
    picture, recorder, steps = meta(1, 3, 64, 64, dtype=torch.float32), CallsOfSteps(), []

    def on_step(step, total, latents):
        steps.append(len(recorder.calls))

    with torch.no_grad(), recorder:
        C.tryon(
            unet,
            vae,
            picture,
            picture,
            meta(1, 1, 64, 64, dtype=torch.float32) if masked else None,
            C.DDIMConfig(),
            steps=3,
            guidance=2.5,
            eta=1.0,
            noise=lambda shape: meta(*shape, dtype=torch.float32),
            on_step=on_step,
        )
    calls = recorder.calls[steps[0] : steps[-1]]
    assert len(calls) > 200  # two steps were seen at all
    waiting = [name for name, devices in calls if "_local_scalar_dense" in name or "nonzero" in name]
    assert not waiting
    assert not [(name, devices) for name, devices in calls if devices - {"meta"}]


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads the resident size from /proc")
def test_no_memory():
    """899 million weights would be 1.8 GB."""

    def resident_bytes():
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    before = resident_bytes()
    unet, vae = C.UNet.blank(C.UNetConfig(), META), C.VAE.blank(C.VAEConfig(), META)
    latents, _ = vae.encode(meta(1, 3, 1024, 768))
    unet(meta(2, 9, 256, 96), meta(2, dtype=torch.float32))
    vae.decode(latents)
    assert resident_bytes() - before < 100e6
