"""FID and KID against their formulas, LPIPS against its paper; and what happens where networks cannot be had."""

import numpy as np
import pytest
import torch

pytest.importorskip("skimage", reason="scikit-image is not installed (pip install catvton-native[evaluate])")

from catvton.evaluate.learned import Distance, Learned


def distance_of(pictures, truths):
    distance = Distance()
    for picture, truth in zip(pictures, truths, strict=True):
        distance.add(torch.tensor(picture)[None], torch.tensor(truth)[None])
    return distance.result()


@pytest.fixture
def features():
    """Two sets of 40 vectors of length 6 with other means and spreads."""
    pytest.importorskip("torchmetrics", reason="torchmetrics is not installed (pip install catvton-native[learned])")
    random = np.random.default_rng(0)
    return random.normal(size=(40, 6)), random.normal(size=(40, 6)) * 1.5 + 0.5


def test_fid_is_the_formula(features):
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)); the trace of the root is the sum of the roots of eigenvalues."""
    one, two = features
    c1, c2 = np.cov(one, rowvar=False), np.cov(two, rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(c1 @ c2).real).sum()
    expected = ((one.mean(0) - two.mean(0)) ** 2).sum() + np.trace(c1) + np.trace(c2) - 2 * roots
    assert distance_of(one, two)["fid"] == pytest.approx(expected, rel=1e-4)
    assert distance_of(one, one)["fid"] == pytest.approx(0, abs=1e-4)


def test_kid_is_the_formula(features):
    """The unbiased squared MMD with the kernel (x.y / d + 1)^3; with all 40 in a subset, every subset is the whole."""
    one, two = features

    def kernel(a, b):
        return (a @ b.T / 6 + 1) ** 3

    def without_itself(matrix):
        return (matrix.sum() - np.trace(matrix)) / (40 * 39)

    expected = without_itself(kernel(one, one)) + without_itself(kernel(two, two)) - 2 * kernel(one, two).mean()
    found = distance_of(one, two)
    assert found["kid"] == pytest.approx(expected, rel=1e-3)
    assert found["kid_deviation"] == pytest.approx(0, abs=1e-5)


def test_one_picture_has_no_spread():
    assert distance_of(np.zeros((1, 6)), np.zeros((1, 6))) == {}


def test_what_cannot_be_had_is_left_out_with_the_reason(monkeypatch, tmp_path):
    """No network and an empty cache, or no such library: both leave a reason, and no number."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    learned = Learned()
    assert set(learned.left_out) == {"lpips", "fid", "kid"}
    for reason in learned.left_out.values():
        assert "could not be had" in reason or "pip install 'catvton-native[learned]'" in reason
    picture = np.zeros((64, 48, 3), np.uint8)
    assert learned.lpips(picture, picture) is None and learned.features(picture) is None


def test_features_are_the_given_networks():
    learned = Learned(inception=torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Identity()))
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert "fid" not in learned.left_out
    assert learned.features(picture).tolist() == [picture.transpose(2, 0, 1).ravel().tolist()]


def test_lpips_is_the_papers(monkeypatch, tmp_path):
    """Zhang et al. 2018, equation 1, over the five stages of an AlexNet with made-up weights in torch's cache."""
    torchvision = pytest.importorskip("torchvision", reason="torchvision is not installed")
    lpip = pytest.importorskip("torchmetrics.functional.image.lpips", reason="torchmetrics is not installed")
    torch.manual_seed(0)
    alex = torchvision.models.alexnet()
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    torch.save(alex.state_dict(), tmp_path / "hub" / "checkpoints" / "alexnet-owt-7be5be79.pth")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    learned = Learned(inception=torch.nn.Identity())
    assert learned.left_out == {}
    pictures = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), dtype=np.uint8)

    weights = lpip._LPIPS(pretrained=True, net="alex", eval_mode=True)  # for its linear layers, which the package ships
    mean, deviation = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    stages, total = (2, 5, 8, 10, 12), 0.0
    x = (torch.tensor(pictures).permute(0, 3, 1, 2) / 127.5 - 1 - mean[:, None, None]) / deviation[:, None, None]
    alex.eval()
    with torch.no_grad():
        for number, layer in enumerate(alex.features):
            x = layer(x)
            if number + 1 in stages:
                linear = getattr(weights, f"lin{stages.index(number + 1)}").model[-1].weight[0, :, 0, 0]
                unit = x / x.square().sum(1, keepdim=True).sqrt().clamp_min(1e-10)
                total += float(((unit[0] - unit[1]).square() * linear[:, None, None]).sum(0).mean())
    assert learned.lpips(*pictures) == pytest.approx(total, rel=1e-3)
    assert learned.lpips(pictures[0], pictures[0]) == pytest.approx(0, abs=1e-6)
