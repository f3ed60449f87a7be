"""Paste back: kept bytes are the original's own, whatever its size, mode, orientation or profile."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFilter

from catvton._native import C
from catvton.paste_back import default_feather, paste_back, repaint
from catvton.preparation import Placement


def scene(width, height, mode="RGB", seed=0):
    """An original, a mask with a blob, and a result for a 48x64 model."""
    rng = np.random.default_rng(seed)
    channels = {"L": (), "LA": (2,), "RGB": (3,), "RGBA": (4,)}[mode]
    original = Image.fromarray(rng.integers(0, 256, (height, width, *channels), dtype=np.uint8))
    mask = np.zeros((height, width), np.uint8)
    y, x = rng.integers(0, height), rng.integers(0, width)
    mask[y : y + max(1, height // 3), x : x + max(1, width // 3)] = 255
    result = rng.integers(0, 256, (64, 48, 3), dtype=np.uint8)
    return original, mask, result


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.sampled_from(["L", "LA", "RGB", "RGBA"]),
    st.sampled_from(["pad", "crop", "stretch"]),
    st.sampled_from([None, 0, 1.5, 6]),
    st.booleans(),
    st.integers(0, 99),
)
def test_never_changes_a_pixel_whose_feathered_mask_is_0(width, height, mode, fit, feather, match_colour, seed):
    original, mask, result = scene(width, height, mode, seed)
    placement = Placement.of((width, height), (48, 64), fit)
    left, top, right, bottom = placement.box
    got = paste_back(original, result, mask, placement, feather=feather, match_colour=match_colour)

    sigma = default_feather(bottom - top) if feather is None else feather
    feathered = np.array(Image.fromarray(mask).filter(ImageFilter.GaussianBlur(sigma)))
    outside = np.ones((height, width), bool)
    outside[top:bottom, left:right] = False
    kept = (feathered == 0) | outside
    assert got.size == original.size and got.mode == original.mode
    np.testing.assert_array_equal(np.array(got)[kept], np.array(original)[kept])
    if "A" in mode:
        np.testing.assert_array_equal(np.array(got)[..., -1], np.array(original)[..., -1])


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_the_result_lands_where_the_person_was(fit):
    """A result that is the prepared person itself gives back the original, up to one resampling of a smooth picture."""
    y, x = np.mgrid[:160, :100]
    original = np.stack([x * 2, y, x + y / 2], -1).astype(np.uint8)
    placement = Placement.of((100, 160), (96, 128), fit)
    got = np.array(paste_back(original, placement.apply(original, 255), np.full((160, 100), 255, np.uint8), placement))
    assert abs(got.astype(int) - original)[2:-2, 2:-2].max() <= 3


@pytest.mark.parametrize("name, blur", [("out_rgbmask", None), ("out_utils_L", 0), ("out_utils_blur9", 9)])
def test_repaint_equals_the_reference(golden, name, blur):
    person, result, mask = (golden(f"repaint/{item}") for item in ("person", "result", "mask"))
    if blur is None:
        got = repaint(person, mask, result)
    else:
        got = C.image.blend(person, result, C.image.gaussian_blur_pillow(mask, blur), truncate=True)
    np.testing.assert_array_equal(got, golden(f"repaint/{name}"))


def test_blend_rounds_to_nearest():
    a, b, alpha = (g.ravel().astype(np.uint8)[None] for g in np.meshgrid([0, 1, 100, 255], [0, 7, 255], range(256)))
    want = np.rint((a.astype(float) * (255 - alpha) + b.astype(float) * alpha) / 255)
    np.testing.assert_array_equal(C.image.blend(a, b, alpha), want)


def test_orientation_is_respected_and_the_profile_kept(tmp_path):
    original, mask, result = scene(60, 40)
    exif = original.getexif()
    exif[0x0112] = 6  # shown turned by 90 degrees
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    original.save(tmp_path / "turned.png", exif=exif, icc_profile=profile)
    upright = original.transpose(Image.Transpose.ROTATE_270)
    mask = np.zeros((60, 40), np.uint8)
    mask[20:30, 10:20] = 255
    got = paste_back(tmp_path / "turned.png", result, mask, Placement.of((40, 60), (48, 64), "pad"), feather=0)
    assert got.size == (40, 60)
    np.testing.assert_array_equal(np.array(got)[mask == 0], np.array(upright)[mask == 0])
    saved = io.BytesIO()
    got.save(saved, "png")
    assert Image.open(saved).info["icc_profile"] == profile
    assert Image.open(saved).getexif().get(0x0112, 1) == 1


def test_protect_is_never_painted():
    original, mask, result = scene(50, 70, seed=3)
    protect = np.zeros_like(mask)
    protect[:, :25] = 255
    everywhere = np.full_like(mask, 255)
    got = paste_back(original, result, everywhere, Placement.of((50, 70), (48, 64), "pad"), protect=protect)
    np.testing.assert_array_equal(np.array(got)[:, :25], np.array(original)[:, :25])
    assert (np.array(got)[:, 25:] != np.array(original)[:, 25:]).any()


def test_match_colour_takes_a_drift_out():
    original = np.full((80, 60, 3), (100, 120, 140), np.uint8)
    mask = np.zeros((80, 60), np.uint8)
    mask[20:60, 15:45] = 255
    placement = Placement.of((60, 80), (60, 80), "pad")
    drifted = np.clip(original + np.array([6, -9, 4]), 0, 255).astype(np.uint8)
    plain = np.array(paste_back(original, drifted, mask, placement, feather=0))
    matched = np.array(paste_back(original, drifted, mask, placement, feather=0, match_colour=True))
    assert (plain[30, 30] == (106, 111, 144)).all() and (matched == original).all()


def test_another_picture_or_size_is_named():
    original, mask, result = scene(60, 40)
    placement = Placement.of((60, 40), (48, 64), "pad")
    with pytest.raises(ValueError, match="the original is 40x60, but the result was made from a person of 60x40"):
        paste_back(original.rotate(90, expand=True), result, mask, placement)
    with pytest.raises(ValueError, match="the result is 48x40, expected the prepared size 48x64"):
        paste_back(original, result[:40], mask, placement)
    with pytest.warns(UserWarning, match="mask is 30x40, the person 60x40; the mask is resized"):
        paste_back(original, result, mask[:, :30], placement)
