"""Crop, pad and prepare against the reference's own results, to the bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catvton import images
from catvton.preparation import Placement, binarize, prepare, to_model_range

PICTURES = ["person0", "person1", "cloth0", "cloth1", "noise"]
SIZES = [(384, 512), (96, 128), (104, 136)]


@pytest.mark.parametrize("fit", ["crop", "pad"])
@pytest.mark.parametrize("width, height", SIZES)
@pytest.mark.parametrize("item", PICTURES)
def test_crop_and_pad_equal_the_reference(golden, item, width, height, fit):
    picture = golden(f"in/{item}")
    placement = Placement.of((picture.shape[1], picture.shape[0]), (width, height), fit)
    np.testing.assert_array_equal(placement.apply(picture, 255), golden(f"{fit}/{item}_{width}x{height}"))


def assert_same_bits(got, want):
    assert got.shape == want.shape and got.dtype == want.dtype == np.float32
    np.testing.assert_array_equal(got.view(np.uint32), want.view(np.uint32))  # -0.0 is not 0.0


def test_model_range_equals_the_reference(golden):
    assert_same_bits(to_model_range(golden("in/noise")), golden("prep/image_f32"))
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    assert_same_bits(to_model_range(ramp), golden("prep/image_lut"))


def test_masks_equal_the_reference(golden):
    assert_same_bits(binarize(images.mask_array(golden("in/noiseL"))), golden("prep/mask_f32_from_L"))
    assert_same_bits(binarize(images.mask_array(golden("in/noise"))), golden("prep/mask_f32_from_RGB"))
    assert_same_bits(binarize(np.arange(256, dtype=np.uint8)[None]), golden("prep/mask_lut"))


def test_stretch_equals_the_reference_command_line(golden):
    got = prepare(golden("in/person1"), golden("in/cloth0"), None, 512, 384, fit="stretch")
    assert_same_bits(got.person, golden("cli/person_384x512"))
    assert_same_bits(got.garment, golden("cli/cloth_384x512"))
    mask = Placement.of((700, 1000), (384, 512), "stretch").apply(golden("cli/mask_in"), 0)
    assert_same_bits(binarize(mask), golden("cli/mask_384x512"))
    odd = Placement.of((43, 61), (72, 96), "stretch").apply(golden("in/noise"), 255)
    assert_same_bits(to_model_range(odd), golden("cli/noise_odd_100x75"))


def test_quantisation_equals_the_reference(golden):
    np.testing.assert_array_equal(images.to_uint8(golden("quant/in")), golden("quant/out"))


@pytest.mark.parametrize("trace", ["tiny_128x96_s4_g2.5_e1.0", "tiny_136x104_s4_g2.5_e1.0"])
def test_whole_preparation_equals_the_traces(golden_root, trace):
    numpy_file = pytest.importorskip("safetensors.numpy")
    t = numpy_file.load_file(golden_root / "masked" / trace / "trace.safetensors")
    height, width = t["pre.u8.mask"].shape
    got = prepare(t["pre.u8.person"], t["pre.u8.cloth"], t["pre.u8.mask"], height, width, fit="crop")
    assert_same_bits(got.person, t["pre.f32.person"])
    assert_same_bits(got.garment, t["pre.f32.cloth"])
    assert_same_bits(got.mask, t["pre.f32.mask"])


sides = st.integers(1, 60)


@settings(max_examples=100, deadline=None)
@given(sides, sides, st.sampled_from([(24, 32), (32, 24), (8, 40)]), st.sampled_from(["pad", "crop", "stretch"]))
def test_any_picture_fits_and_comes_back(width, height, target, fit):
    placement = Placement.of((width, height), target, fit)
    (left, top, right, bottom), (x0, y0, x1, y1) = placement.box, placement.inner
    assert 0 <= left < right <= width and 0 <= top < bottom <= height
    assert 0 <= x0 < x1 <= target[0] and 0 <= y0 < y1 <= target[1]
    if fit != "crop":
        assert placement.box == (0, 0, width, height)  # nothing of the person is cut off
    there = placement.apply(np.full((height, width, 3), 90, np.uint8), 255)
    assert there.shape == (target[1], target[0], 3) and (there[y0:y1, x0:x1] == 90).all()
    back = placement.undo(there)
    assert back.shape == (bottom - top, right - left, 3) and (back == 90).all()


def test_mask_free_needs_no_mask():
    got = prepare(np.zeros((9, 7, 3), np.uint8), np.zeros((5, 5, 3), np.uint8), None, 32, 24)
    assert got.mask is None
    assert got.person.shape == got.garment.shape == (1, 3, 32, 24)


@pytest.mark.parametrize("height, width, named", [(100, 96, "height"), (96, 100, "width"), (0, 96, "height")])
def test_refuses_sizes_the_vae_cannot_take(height, width, named):
    with pytest.raises(ValueError, match=f"{named} must be a positive multiple of 8, got"):
        prepare(np.zeros((9, 7, 3), np.uint8), np.zeros((5, 5, 3), np.uint8), None, height, width)


def test_refuses_an_unknown_fit():
    with pytest.raises(ValueError, match="fit must be 'pad', 'crop' or 'stretch', got 'cover'"):
        Placement.of((4, 4), (8, 8), "cover")


def test_a_mask_that_the_crop_cuts_away_is_named():
    person, mask = np.zeros((40, 400, 3), np.uint8), np.zeros((40, 400), np.uint8)
    mask[:, :20] = 255
    with pytest.raises(ValueError, match="use fit='pad'"):
        prepare(person, person, mask, 32, 24, fit="crop")
