"""LANCZOS against Pillow live and against the bytes that the reference's Pillow gave."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from catvton._native import C

CHANNELS = {"L": 1, "RGB": 3, "RGBA": 4}


def noise(height, width, mode, seed=0):
    rng = np.random.default_rng(seed)
    shape = (height, width) if mode == "L" else (height, width, CHANNELS[mode])
    picture = rng.integers(0, 256, shape, dtype=np.uint8)
    return np.where(rng.random(shape) < 0.3, picture, (picture > 127) * np.uint8(255)).astype(np.uint8)


def pillow(picture, height, width):
    """Pillow's resize with the width first. Pillow 10.3 does so itself; newer versions choose, but one axis at a time
    leaves no choice. Weighting by alpha happens once around both, as in Image.resize."""
    image = Image.fromarray(picture)
    if image.size == (width, height):
        return picture
    if image.mode == "RGBA":
        image = image.convert("RGBa")
    image = image.resize((width, image.height), Image.LANCZOS).resize((width, height), Image.LANCZOS)
    return np.asarray(image.convert("RGBA") if image.mode == "RGBa" else image)


sizes = st.one_of(st.integers(1, 9), st.integers(1, 300))


@settings(max_examples=150, deadline=None)
@given(sizes, sizes, sizes, sizes, st.sampled_from(sorted(CHANNELS)), st.integers(0, 9))
def test_equals_pillow(height, width, new_height, new_width, mode, seed):
    picture = noise(height, width, mode, seed)
    got = C.image.resample_lanczos(picture, new_height, new_width)
    np.testing.assert_array_equal(got, pillow(picture, new_height, new_width))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 4), st.integers(1, 3000), st.integers(1, 4), st.booleans())
def test_equals_pillow_along_any_length(length, across, new_length, new_across, is_tall):
    size, new_size = (length, across), (new_length, new_across)
    picture = noise(*(size if is_tall else size[::-1]), "RGB")
    new_size = new_size if is_tall else new_size[::-1]
    np.testing.assert_array_equal(C.image.resample_lanczos(picture, *new_size), pillow(picture, *new_size))


@pytest.mark.parametrize("mode", CHANNELS)
@pytest.mark.parametrize(
    "size, new_size",
    [
        ((3000, 2), (1, 7)),
        ((1, 3000), (3, 1)),
        ((700, 3000), (512, 384)),
        ((40, 30), (3000, 3)),
        ((2999, 901), (128, 96)),
    ],
)
def test_equals_pillow_for_long_sides(mode, size, new_size):
    picture = noise(*size, mode)
    np.testing.assert_array_equal(C.image.resample_lanczos(picture, *new_size), pillow(picture, *new_size))


@pytest.mark.parametrize("item", ["noise", "noiseL"])
@pytest.mark.parametrize("width, height", [(64, 50), (200, 33), (43, 300), (7, 9)])
def test_equals_the_reference(golden, item, width, height):
    picture, want = golden(f"in/{item}"), golden(f"lanczos/{item}_{width}x{height}")
    if width > picture.shape[1] and height < picture.shape[0]:  # made by a Pillow that takes the height first here
        got = C.image.resample_lanczos(np.ascontiguousarray(picture.swapaxes(0, 1)), width, height).swapaxes(0, 1)
    else:
        got = C.image.resample_lanczos(picture, height, width)
    np.testing.assert_array_equal(got, want)


def test_threads_do_not_change_the_bytes():
    picture, threads = noise(300, 400, "RGB"), torch.get_num_threads()
    many = C.image.resample_lanczos(picture, 123, 234), C.image.gaussian_blur_pillow(picture, 5)
    try:
        torch.set_num_threads(1)
        one = C.image.resample_lanczos(picture, 123, 234), C.image.gaussian_blur_pillow(picture, 5)
    finally:
        torch.set_num_threads(threads)
    for got, want in zip(many, one, strict=True):
        np.testing.assert_array_equal(got, want)


def test_refuses_sizes_without_pixels():
    with pytest.raises(ValueError, match="cannot resample 5x4 to 3x0"):
        C.image.resample_lanczos(np.zeros((4, 5), np.uint8), 0, 3)
    with pytest.raises(ValueError, match="cannot resample 0x4"):
        C.image.resample_lanczos(np.zeros((4, 0), np.uint8), 2, 2)
    with pytest.raises(ValueError, match="1 to 4 channels, got 5"):
        C.image.resample_lanczos(np.zeros((4, 4, 5), np.uint8), 2, 2)
