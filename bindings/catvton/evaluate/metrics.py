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


def texture_agreement(picture: np.ndarray, truth: np.ndarray, area: np.ndarray) -> float | None:
    """Whether edges are where the truth has them: the correlation of both gradients' magnitudes inside `area`.

    1: stripes, letters and folds lie in the same places; 0: elsewhere, or nowhere. The gradient is that of CIELAB
    smoothed with sigma 1, so that an edge's colour does not matter, nor its contrast, nor half a pixel. Three pixels
    along the area's border do not count: a garment's outline is no texture, and the mask gives it away.

    None where the area has no inside, or the truth no edge there.
    """
    inside = skimage("morphology").erosion(np.pad(area, 1), skimage("morphology").disk(3))[1:-1, 1:-1]
    if inside.sum() < 16:
        return None
    edges, wanted = (_gradient(p)[inside] for p in (picture, truth))
    if wanted.std() < 1e-3:
        return None
    return 0.0 if edges.std() < 1e-3 else float(np.corrcoef(edges, wanted)[0, 1])


def _gradient(picture: np.ndarray) -> np.ndarray:
    """Magnitude of the gradient over all three channels of CIELAB, [H, W]."""
    lab = skimage("filters").gaussian(skimage("color").rgb2lab(picture), sigma=1, channel_axis=-1)
    rows, columns = np.gradient(lab, axis=(0, 1))
    return np.sqrt((rows**2 + columns**2).sum(axis=-1))


def skimage(part: str):
    try:
        from importlib import import_module

        return import_module(f"skimage.{part}")
    except ImportError as error:
        raise ImportError(
            f"evaluation needs scikit-image ({error}): pip install 'catvton-native[evaluate]' or scikit-image"
        ) from error
