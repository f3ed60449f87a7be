"""Constants that a loose comparison does not see: each norm's eps and the kind of GELU.

Ordinary inputs hide them: the tanh GELU moves a UNet's output by 2e-5, a wrong eps by 6e-6. Here the weights are such
that they decide the result, and every test proves its own power: diffusers with the wrong constant must come out far
from what the right one, and the native engine, give.
"""

import pytest
import torch

from support import assert_close, diffusers_unet, diffusers_vae, error, native_unet, native_vae, run_unet

FAR = 1e-2  # a thousand times the gate of assert_close

NORMS = (torch.nn.GroupNorm, torch.nn.LayerNorm)


def shrink(model: torch.nn.Module) -> None:
    """Every norm's input gets a variance not far above 1e-6, so that eps has a say in every result."""
    carries_on = ("shortcut", "samplers", "proj_out", "to_q", "to_k", "to_v", "net.0.proj")
    with torch.no_grad():
        for name, module in model.named_modules():
            if getattr(module, "bias", None) is not None:
                module.bias.zero_()  # a constant would hide the rest
            if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)) and not any(part in name for part in carries_on):
                module.weight.mul_(2e-2 if name.endswith(("net.2", "conv2", "to_out.0")) else 2e-3)
            elif name.endswith("transformer_blocks.0.norm2"):  # its output is added to the tokens as it is
                module.weight.mul_(1e-3)


def wrong_eps(eps: float) -> float:
    return 1e-6 if eps == 1e-5 else 1e-5


def check_every_eps(model, got, forward, expected):
    """`got` equals forward() and is far from every forward() with one norm's eps changed. expected: name -> eps."""
    assert_close(got, forward())
    norms = {name: module for name, module in model.named_modules() if isinstance(module, NORMS)}
    for name, norm in norms.items():
        assert norm.eps == expected(name), name
        right, norm.eps = norm.eps, wrong_eps(norm.eps)
        distance = error(got, forward())
        norm.eps = right
        assert distance > FAR, f"{name}: the test could not tell a wrong eps ({distance:.1e})"


@pytest.mark.parametrize("use_linear_projection", [False, True])
def test_every_eps_of_the_unet(use_linear_projection):
    """1e-5 in resnet blocks, layer norms and at the end; 1e-6 in Transformer2DModel's GroupNorm."""
    unet = diffusers_unet(use_linear_projection=use_linear_projection)
    shrink(unet)
    sample, timesteps = torch.randn(1, 9, 6, 6), torch.tensor([500.0])
    with torch.inference_mode():
        check_every_eps(
            unet,
            native_unet(unet)(sample, timesteps),
            lambda: run_unet(unet, sample, timesteps),
            lambda name: 1e-6 if name.endswith(("attentions.0.norm", "attentions.1.norm")) else 1e-5,
        )


def test_every_eps_of_the_encoder():
    vae = diffusers_vae()
    shrink(vae)
    images = torch.randn(1, 3, 8, 8)
    with torch.inference_mode():
        mean, _ = native_vae(vae).encode(images)
        check_every_eps(vae.encoder, mean, lambda: vae.encode(images).latent_dist.mean, lambda name: 1e-6)


def test_every_eps_of_the_decoder():
    vae = diffusers_vae()
    shrink(vae)
    latents = torch.randn(1, 4, 4, 4)
    with torch.inference_mode():
        decoded = native_vae(vae).decode(latents)
        check_every_eps(vae.decoder, decoded, lambda: vae.decode(latents).sample, lambda name: 1e-6)


def test_gelu_is_the_exact_one():
    """At -4 the tanh approximation is 45 % off; the gates sit there, and their partners make up for their size."""
    unet = diffusers_unet()
    feed_forwards = [module for name, module in unet.named_modules() if name.endswith(".ff")]
    with torch.inference_mode():
        for ff in feed_forwards:
            value, gate = ff.net[0].proj.weight.chunk(2)
            value.mul_(1e5)
            gate.zero_()
            ff.net[0].proj.bias.chunk(2)[1].fill_(-4.0)
        sample, timesteps = torch.randn(1, 9, 6, 6), torch.tensor([500.0])
        got = native_unet(unet)(sample, timesteps)
        # At -4, ATen's float32 1 + erf has three digits left, and the engine's own kernel all seven.
        assert_close(got, run_unet(unet, sample, timesteps), 1e-3)
        for ff in feed_forwards:
            ff.net[0].gelu = lambda x: torch.nn.functional.gelu(x, approximate="tanh")
        assert error(got, run_unet(unet, sample, timesteps)) > FAR
