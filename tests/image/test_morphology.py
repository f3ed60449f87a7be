"""OpenCV's operations against naive loops; the reference's masks depend on their borders and rounding."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catvton._native import C


def blobs(seed, height=30, width=23, share=0.05):
    rng = np.random.default_rng(seed)
    return np.where(rng.random((height, width)) < share, np.uint8(255), np.uint8(0))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.sampled_from([1, 3, 5, 9]), st.integers(1, 3))
def test_dilate_square_is_a_maximum_filter_with_nothing_outside(seed, size, times):
    mask, reach = blobs(seed), size // 2 * times
    want = np.zeros_like(mask)
    for y, x in np.argwhere(mask):
        want[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = 255
    np.testing.assert_array_equal(C.image.dilate_square(mask, size, times), want)


@pytest.mark.parametrize("size", [1, 9, 21, 41])
def test_opencv_blur_is_the_gaussian_of_its_size(size):
    picture = np.random.default_rng(0).integers(0, 256, (60, 70), dtype=np.uint8)
    sigma = 0.3 * ((size - 1) * 0.5 - 1) + 0.8
    weights = np.exp(-((np.arange(size) - size // 2) ** 2) / (2 * sigma**2))
    weights /= weights.sum()
    want = np.pad(picture.astype(float), size // 2, mode="reflect")
    for axis in (0, 1):
        want = np.apply_along_axis(np.convolve, axis, want, weights, "valid")
    error = abs(C.image.gaussian_blur_opencv(picture, size) - want)
    assert error.max() < 2 and error.mean() < 0.5  # its weights have 8 fraction bits


@pytest.mark.parametrize("size", [0, 2, -3])
def test_even_sizes_are_refused(size):
    mask = np.zeros((4, 4), np.uint8)
    with pytest.raises(ValueError, match=f"dilation must be odd and positive, got {size}"):
        C.image.dilate_square(mask, size)
    with pytest.raises(ValueError, match=f"blur must be odd and positive, got {size}"):
        C.image.gaussian_blur_opencv(mask, size)


def test_pictures_are_no_masks():
    with pytest.raises(ValueError, match="a mask has one channel, got 3"):
        C.image.grow_disc(np.zeros((4, 4, 3), np.uint8), 2)
    with pytest.raises(TypeError):
        C.image.grow_disc(np.zeros((4, 4), np.float32), 2)
