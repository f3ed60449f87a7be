"""SSIM as a loss, against scikit-image's."""

import numpy as np
import pytest
import torch

from catvton.train.samples import to_model_range
from catvton.train.similarity import similarity

metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is the truth here")
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}


@pytest.mark.parametrize("size", [(33, 20), (11, 11), (64, 48)])
@pytest.mark.parametrize("noise", [0, 5, 80])
def test_similarity_is_scikit_images(size, noise):
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (2, *size, 3), dtype=np.uint8)
    others = np.clip(pictures + random.normal(0, noise, pictures.shape), 0, 255).astype(np.uint8)
    want = [
        metrics.structural_similarity(a, b, channel_axis=-1, **GAUSSIAN) for a, b in zip(pictures, others, strict=True)
    ]
    planes = [to_model_range(torch.from_numpy(p).permute(0, 3, 1, 2)) for p in (pictures, others)]
    assert float(similarity(*planes)) == pytest.approx(np.mean(want), abs=1e-5)


def test_gradients_are_those_of_finite_differences():
    torch.manual_seed(0)
    pictures = torch.rand(1, 1, 12, 13, dtype=torch.float64, requires_grad=True)
    others = torch.rand(1, 1, 12, 13, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda picture: similarity(picture, others), pictures)


def test_pictures_smaller_than_the_window_are_refused():
    with pytest.raises(ValueError, match=r"11 pixels or more along an edge, got .*\[1, 3, 10, 20\]"):
        similarity(torch.zeros(1, 3, 10, 20), torch.zeros(1, 3, 10, 20))
