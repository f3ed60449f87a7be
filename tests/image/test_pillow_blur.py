"""GaussianBlur against Pillow live and against the bytes that the reference's Pillow gave."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from catvton._native import C


@settings(max_examples=100, deadline=None)
@given(
    st.integers(1, 120),
    st.integers(1, 120),
    st.sampled_from([(), (3,), (4,)]),
    st.one_of(st.just(0.0), st.floats(0.0625, 60, width=32)),
    st.integers(0, 9),
)
def test_equals_pillow(height, width, channels, sigma, seed):
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, *channels), dtype=np.uint8)
    want = Image.fromarray(picture).filter(ImageFilter.GaussianBlur(sigma))
    np.testing.assert_array_equal(C.image.gaussian_blur_pillow(picture, sigma), np.asarray(want))


@pytest.mark.parametrize("size", ["384x512", "96x128"])
@pytest.mark.parametrize("name, sigma", [("blur9", 9), *((f"gauss{s}", s) for s in (0.5, 1, 2.5, 11, 21))])
def test_masks_equal_the_reference(golden, size, name, sigma):
    got = C.image.gaussian_blur_pillow(golden(f"blur/mask_in_{size}"), sigma)
    np.testing.assert_array_equal(got, golden(f"blur/mask_{name}_{size}"))


@pytest.mark.parametrize("item", ["noise", "noiseL"])
@pytest.mark.parametrize("sigma", [1, 3, 9, 21, 40])
def test_pictures_equal_the_reference(golden, item, sigma):
    got = C.image.gaussian_blur_pillow(golden(f"in/{item}"), sigma)
    np.testing.assert_array_equal(got, golden(f"blur/{item}_gauss{sigma}"))


@pytest.mark.parametrize("sigma", [-1, float("nan"), 1e9])
def test_refuses_senseless_sigmas(sigma):
    with pytest.raises(ValueError, match="blur sigma must lie in"):
        C.image.gaussian_blur_pillow(np.zeros((4, 4), np.uint8), sigma)
