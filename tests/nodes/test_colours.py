"""Colours of latents: a picture's latents, shown that way, look like the picture made small."""

import numpy as np
import torch

from catvton import TryOn
from catvton._native import C
from catvton.data import wardrobe


def test_a_preview_looks_like_the_picture(module):
    vae = TryOn.load("demo", device="cpu").vae
    factors, bias = module("colours").latent_colours(vae)
    picture = wardrobe.case(0, 3, "test", "upper").scene((192, 144)).image  # none of the examples
    pixels = torch.from_numpy(np.asarray(picture, np.float32) / 127.5 - 1).permute(2, 0, 1)[None]
    with torch.inference_mode():
        latents = vae.encode(pixels)[0] * vae.config.scaling_factor
        # as ComfyUI does it
        shown = torch.nn.functional.linear(latents[0].permute(1, 2, 0), factors, bias).clamp(-1, 1)
    small = torch.nn.functional.avg_pool2d(pixels, 8)[0].permute(1, 2, 0)
    assert (shown - small).abs().mean() < 0.12  # of 2
    assert np.corrcoef(shown.flatten(), small.flatten())[0, 1] > 0.95


def test_the_published_vae_has_comfyuis_own_colours(module):
    assert module("colours").latent_colours(C.VAE.blank(C.VAEConfig(), torch.empty((), device="meta"))) is None
