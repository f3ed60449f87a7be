"""Metrics against formulas and published values."""

import numpy as np
import pytest
import torch

from catvton.evaluate.measure import by_fabric, means, measure
from catvton.evaluate.metrics import colour_difference, psnr, ssim, texture_agreement

pytest.importorskip("skimage", reason="scikit-image is not installed (pip install catvton-native[evaluate])")


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 256, (40, 32, 3), dtype=np.uint8)


def test_psnr_is_the_formula(picture):
    other = picture.copy()
    other[::2] ^= 16  # every second row 16 off: a mean square error of 128
    assert psnr(other, picture) == pytest.approx(10 * np.log10(255**2 / 128))
    assert psnr(picture, picture) == float("inf")


def test_ssim_equals_the_paper_written_out(picture):
    """Wang et al. 2004, equation 13, at a pixel far from the border, window by window."""
    other = np.clip(picture.astype(int) + np.random.default_rng(1).integers(-40, 41, picture.shape), 0, 255)
    x, y = picture.astype(float), other.astype(float)
    radius = 5  # scikit-image cuts the window at 3.5 sigma
    taps = np.exp(-(np.arange(-radius, radius + 1) ** 2) / (2 * 1.5**2))
    window = np.outer(taps, taps) / taps.sum() ** 2
    values = []
    for row in range(radius, 40 - radius):
        for column in range(radius, 32 - radius):
            for channel in range(3):
                place = np.s_[row - radius : row + radius + 1, column - radius : column + radius + 1, channel]
                mean_x, mean_y = (window * x[place]).sum(), (window * y[place]).sum()
                variance_x, variance_y = (
                    (window * x[place] ** 2).sum() - mean_x**2,
                    (window * y[place] ** 2).sum() - mean_y**2,
                )
                covariance = (window * x[place] * y[place]).sum() - mean_x * mean_y
                c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
                values.append(
                    (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
                    / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))
                )  # fmt: skip
    assert ssim(other.astype(np.uint8), picture) == pytest.approx(np.mean(values), abs=1e-6)


# Sharma, Wu and Dalal 2005, table 1: Lab, Lab, CIEDE2000.
@pytest.mark.parametrize(
    "one, two, difference",
    [
        ((50.0, 2.6772, -79.7751), (50.0, 0.0, -82.7485), 2.0425),
        ((50.0, 2.5, 0.0), (73.0, 25.0, -18.0), 27.1492),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_colour_difference_is_ciede2000(one, two, difference):
    from skimage.color import deltaE_ciede2000

    assert deltaE_ciede2000(np.array(one), np.array(two)) == pytest.approx(difference, abs=1e-4)


def test_colour_difference_looks_at_the_area_alone(picture):
    black, white = np.zeros_like(picture), np.full_like(picture, 255)
    area = np.zeros((40, 32), bool)
    area[10:20] = True
    assert colour_difference(black, white, area) == pytest.approx(100, abs=0.01)  # L* 0 against 100
    white[~area] = 0
    assert colour_difference(black, white, ~area) == 0
    with pytest.raises(ValueError, match="area is empty"):
        colour_difference(black, white, np.zeros((40, 32), bool))


def case_of(person, truth, swapped):
    planes = {"person": person, "truth": truth, "swapped": swapped}
    sample = {name: torch.full((3, 16, 16), 0, dtype=torch.uint8) + torch.tensor(rgb, dtype=torch.uint8)[:, None, None]
              for name, rgb in planes.items()}  # fmt: skip
    mask = torch.zeros(1, 16, 16, dtype=torch.uint8)
    mask[:, 4:12, 4:12] = 1
    return sample | {"mask": mask, "area": mask}


@pytest.mark.parametrize(
    "result, swap, not_worn",
    [(120, True, True), (255, False, True), (90, True, False)],
)
def test_swap_and_worn(result, swap, not_worn):
    """Greys: the truth 120, the other garment 255, the worn one 90."""
    case = case_of([90] * 3, [120] * 3, [255] * 3)
    picture = np.full((16, 16, 3), result, np.uint8)
    got = measure(0, picture, case)
    assert (got.swap, got.not_worn) == (swap, not_worn)
    assert (got.colour == 0) == (result == 120)


def test_pictures_that_do_not_differ_are_no_vote():
    case = case_of((200, 0, 0), (200, 0, 0), (0, 0, 200))  # paired: the truth is the person
    got = measure(0, np.zeros((16, 16, 3), np.uint8), case)
    assert got.not_worn is None
    assert "not_worn" not in means([got])


def test_without_a_truth_nothing_is_claimed():
    case = case_of([90] * 3, [120] * 3, [255] * 3)
    del case["truth"]
    assert means([measure(0, np.zeros((16, 16, 3), np.uint8), case)]) == {"cases": 1}


def test_means_by_fabric():
    case = case_of([90] * 3, [120] * 3, [255] * 3)
    greys = ((120, "dots"), (150, "plain"), (150, "plain"), (90, "plain"))
    numbers = [measure(i, np.full((16, 16, 3), grey, np.uint8), case, cloth) for i, (grey, cloth) in enumerate(greys)]
    found = by_fabric(numbers)
    assert list(found) == ["dots", "plain"]
    assert (found["dots"]["cases"], found["plain"]["cases"]) == (1, 3)
    assert found["dots"]["colour"] == 0
    assert found["plain"]["colour"] == pytest.approx(sum(n.colour for n in numbers[1:]) / 3, abs=1e-4)


def striped(shift=0, angle="down", light=(230, 210, 190), dark=(40, 60, 90), size=64, period=12):
    along = (np.arange(size) + shift) % period < period // 2
    bands = along[:, None] if angle == "down" else along[None]
    return np.where(np.broadcast_to(bands, (size, size))[..., None], np.uint8(light), np.uint8(dark))


class TestTexture:
    area = np.ones((64, 64), bool)

    def agreement(self, picture):
        return texture_agreement(picture, striped(), self.area)

    def test_the_same_stripes(self):
        assert self.agreement(striped()) == pytest.approx(1)
        assert self.agreement(striped(light=(120, 30, 30), dark=(30, 120, 30))) > 0.95, "whatever their colours"
        assert self.agreement((striped().astype(int) // 4 + 100).astype(np.uint8)) > 0.95, "and their contrast"

    def test_other_stripes(self):
        assert self.agreement(striped(angle="across")) == pytest.approx(0, abs=0.1)
        assert self.agreement(striped(shift=3)) < -0.5, "edges where the truth has none"
        assert self.agreement(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)) < 0.2

    def test_a_flat_picture_has_no_texture(self):
        assert self.agreement(np.full((64, 64, 3), 128, np.uint8)) == 0
        assert texture_agreement(striped(), np.full((64, 64, 3), 128, np.uint8), self.area) is None

    def test_edges_of_equal_lightness_count(self):
        """Red and green of the same L* (CIE 1976, computed here): a gradient of grey levels would miss them."""
        red, green = (200, 60, 60), (0, 127, 0)

        def lightness(colour):
            linear = [((c / 255 + 0.055) / 1.055) ** 2.4 if c > 10 else c / 255 / 12.92 for c in colour]
            return 116 * np.dot(linear, (0.2126, 0.7152, 0.0722)) ** (1 / 3) - 16

        assert abs(lightness(red) - lightness(green)) < 1
        assert self.agreement(striped(light=red, dark=green)) > 0.9

    def test_the_outline_does_not_count(self):
        area = np.zeros((64, 64), bool)
        area[16:48, 16:48] = True
        ours, truth = np.zeros((2, 64, 64, 3), np.uint8)
        ours[area], truth[area] = striped()[area], striped(angle="across")[area]
        assert texture_agreement(ours, truth, area) == pytest.approx(0, abs=0.15)
        assert texture_agreement(ours, ours, np.zeros((64, 64), bool)) is None
