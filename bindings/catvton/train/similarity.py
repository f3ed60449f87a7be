"""Structural similarity (Wang et al. 2004) that gradients run through: what `catvton evaluate` measures, as a loss."""

from __future__ import annotations

import torch

SIGMA, RADIUS = 1.5, 5  # of the Gaussian window: 11x11
C1, C2 = 0.01**2, 0.03**2  # of pictures in 0..1


def similarity(pictures: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    """Mean SSIM of float32 [B, C, H, W] in -1..1, of windows that lie inside: a scalar. Both edges are 11 or more."""
    if min(pictures.shape[-2:]) <= 2 * RADIUS:
        raise ValueError(f"SSIM needs pictures of {2 * RADIUS + 1} pixels or more along an edge, got {pictures.shape}")
    a, b = (p.flatten(0, 1)[:, None] / 2 + 0.5 for p in (pictures, others))  # [B * C, 1, H, W], in 0..1
    mean_a, mean_b, aa, bb, ab = _blurred(torch.cat([a, b, a * a, b * b, a * b], 1)).unbind(1)
    means = (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
    contrast_and_structure = (2 * (ab - mean_a * mean_b) + C2) / (aa - mean_a**2 + bb - mean_b**2 + C2)
    return (means * contrast_and_structure).mean()


def _blurred(planes: torch.Tensor) -> torch.Tensor:
    """[N, P, H, W] -> [N, P, H - 10, W - 10]"""
    window = torch.exp(-0.5 * (torch.arange(-RADIUS, RADIUS + 1, device=planes.device) / SIGMA) ** 2)
    window = (window / window.sum()).to(planes.dtype).expand(planes.shape[1], 1, 1, -1)
    across = torch.nn.functional.conv2d(planes, window, groups=planes.shape[1])
    return torch.nn.functional.conv2d(across, window.transpose(2, 3), groups=planes.shape[1])
