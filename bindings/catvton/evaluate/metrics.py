"""Distances between a try-on and its truth, uint8 [H, W, 3] both. The mathematics is scikit-image's."""

from __future__ import annotations

import numpy as np


def ssim(picture: np.ndarray, truth: np.ndarray) -> float:
    """Structural similarity as in Wang et al. 2004 (Gaussian window, sigma 1.5), mean over pixels and channels."""
    return float(
        skimage("metrics").structural_similarity(
            picture,
            truth,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=255,
            channel_axis=-1,
        )
    )


def psnr(picture: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal to noise ratio in dB; infinite for equal pictures."""
    error = float(np.mean((picture.astype(np.float64) - truth) ** 2))
    return float("inf") if error == 0 else float(10 * np.log10(255**2 / error))


def colour_difference(picture: np.ndarray, truth: np.ndarray, area: np.ndarray) -> float:
    """Mean CIEDE2000 over `area`, boolean [H, W]: about 1 is just visible, 10 another shade, 30 another colour."""
    if not area.any():
        raise ValueError("colour_difference: the area is empty")
    colour = skimage("color")
    lab = [colour.rgb2lab(p[area][None].astype(np.float64) / 255) for p in (picture, truth)]  # sRGB, D65: [1, N, 3]
    return float(colour.deltaE_ciede2000(*lab).mean())


def skimage(part: str):
    try:
        from importlib import import_module

        return import_module(f"skimage.{part}")
    except ImportError as error:
        raise ImportError(
            f"evaluation needs scikit-image ({error}): pip install 'catvton-native[evaluate]' or scikit-image"
        ) from error
