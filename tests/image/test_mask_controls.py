"""The controls against naive versions of themselves, and the promises they make."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from catvton import masks
from catvton._native import C


def blobs(seed, height=40, width=30, share=0.03):
    rng = np.random.default_rng(seed)
    return np.where(rng.random((height, width)) < share, np.uint8(255), np.uint8(0))


def naive_disc(mask, radius):
    """Every pixel within `radius` of a set one, by comparing all pairs."""
    points = np.argwhere(mask > 0)
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]]
    near = ((y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2 <= radius**2).any(-1)
    return near.astype(np.uint8) * 255


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 99), st.integers(1, 12))
def test_grow_is_a_disc_and_shrink_its_mirror(seed, radius):
    mask = blobs(seed)
    np.testing.assert_array_equal(masks.grown(mask, radius), naive_disc(mask, radius))
    framed = 255 - blobs(seed)
    np.testing.assert_array_equal(masks.grown(framed, -radius), 255 - naive_disc(255 - framed, radius))


@given(st.integers(0, 99), st.booleans())
def test_grow_0_is_the_identity(seed, soft):
    mask = blobs(seed) if not soft else np.random.default_rng(seed).integers(0, 256, (9, 7), dtype=np.uint8)
    for zero in (0, "0", "0%", 0.0):
        np.testing.assert_array_equal(masks.grown(mask, zero), mask)
    np.testing.assert_array_equal(masks.adjust(mask), mask)


def test_grow_of_nothing_and_everything():
    nothing, everything = np.zeros((5, 4), np.uint8), np.full((5, 4), 255, np.uint8)
    for radius in (3, -3):
        np.testing.assert_array_equal(masks.grown(nothing, radius), nothing)
        np.testing.assert_array_equal(masks.grown(everything, radius), everything)


def test_percent_is_of_the_longer_side():
    assert masks.pixels("2%", (50, 400)) == 8 and masks.pixels(3.5, (50, 400)) == 3.5 and masks.pixels("7", (1, 1)) == 7
    mask = blobs(1, 100, 60)
    np.testing.assert_array_equal(masks.grown(mask, "3%"), masks.grown(mask, 3))
    for wrong in ("wide", "nan", None):
        with pytest.raises(ValueError, match="a length"):
            masks.pixels(wrong, (9, 9))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.floats(0.1, 8))
def test_feather_is_pillows_gaussian(seed, sigma):
    mask = blobs(seed, share=0.2)
    want = Image.fromarray(mask).filter(ImageFilter.GaussianBlur(sigma))
    np.testing.assert_array_equal(masks.feathered(mask, sigma), np.asarray(want))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.integers(1, 9))
def test_loose_holds_the_grown_mask_and_what_hangs_below(seed, length):
    mask = blobs(seed)
    loose = masks.loosened(mask, length)
    wide = naive_disc(mask, length)
    for down in range(2 * length + 1):
        moved = np.zeros_like(wide)
        moved[down:] = wide[: wide.shape[0] - down]
        assert (loose[moved > 0] == 255).all()
    assert (loose[: max(0, np.argwhere(mask)[:, 0].min() - length)] == 0).all()  # nothing far above


def test_loose_widens_downwards_exactly_twice_its_length():
    mask = np.zeros((60, 40), np.uint8)
    mask[20:30, 15:25] = 255
    rows = np.flatnonzero(masks.loosened(mask, 4).any(1))
    assert rows[0] == 16 and rows[-1] == 29 + 4 + 8


def test_clean_closes_small_holes_and_drops_small_islands():
    mask = np.zeros((60, 60), np.uint8)
    mask[10:50, 10:50] = 255
    mask[20:24, 20:24] = 0  # a hole of 16 pixels
    mask[30:40, 30:40] = 0  # a hole of 100
    mask[2:5, 2:5] = 255  # an island of 9
    mask[0:10, 40] = 255  # a thread that hangs on
    got = masks.cleaned(mask, 5)
    assert (got[20:24, 20:24] == 255).all() and (got[30:40, 30:40] == 0).all()
    assert (got[2:5, 2:5] == 0).all() and (got[0:10, 40] == 255).all()
    assert (masks.cleaned(mask, 12)[30:40, 30:40] == 255).all()
    np.testing.assert_array_equal(masks.cleaned(mask, 0), mask)


def test_clean_never_fills_the_outside_and_keeps_the_largest_island():
    corner = np.full((20, 20), 255, np.uint8)
    corner[:2, :2] = 0  # touches the edge: outside, not a hole
    np.testing.assert_array_equal(masks.cleaned(corner, 9), corner)
    small = np.zeros((20, 20), np.uint8)
    small[5, 5] = 255
    np.testing.assert_array_equal(masks.cleaned(small, 9), small)
    np.testing.assert_array_equal(masks.cleaned(small * 0, 9), small * 0)


def test_convex_hulls_fill_each_part():
    mask = np.zeros((40, 40), np.uint8)
    for y, x in ((5, 5), (5, 15), (15, 5)):
        mask[y, x] = 255
    mask[5, 5:16] = mask[5:16, 5] = 255  # an L; its hull is a triangle
    hull = C.image.convex_hulls(mask)
    assert hull[8, 8] == 255 and hull[14, 14] == 0 and (hull[mask > 0] == 255).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 99), st.sampled_from([0, 3]), st.sampled_from([0, 2]), st.sampled_from([0, 2.5]))
def test_protect_wins_over_every_control(seed, grow, loose, feather):
    protect = blobs(seed + 100, share=0.3)
    got = masks.adjust(blobs(seed), grow=grow, loose=loose, feather=feather, clean=2, protect=protect)
    assert (got[protect == 255] == 0).all()


@pytest.mark.parametrize("control", ["feather", "loose", "clean"])
def test_negative_lengths_are_refused(control):
    with pytest.raises(ValueError, match=f"{control} must not be negative, got -2"):
        masks.adjust(blobs(0), **{control: -2})


def test_preview_shows_the_mask_and_nothing_else():
    person, mask = np.full((40, 30, 3), 100, np.uint8), np.zeros((40, 30), np.uint8)
    mask[10:30, 10:20] = 255
    got = np.array(masks.preview(person, mask, colour=(200, 0, 0), opacity=0.5))
    assert (got[mask == 0] == 100).all()
    assert got[20, 15].tolist() == [150, 50, 50] and got[10, 10].tolist() == [200, 0, 0]
    with pytest.raises(ValueError, match=r"opacity must lie in 0\.\.1, got 2"):
        masks.preview(person, mask, opacity=2)


@pytest.mark.parametrize("name", masks.PRESETS)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_presets_hold_their_categorys_clothes(name):
    atr = np.zeros((200, 150), np.uint8)
    atr[20:90, 50:100], atr[90:170, 55:95], atr[5:18, 65:85] = 4, 6, 11
    mask = masks.preset_mask(name, atr)
    if masks.PRESETS[name].category in ("upper", "inner", "overall"):
        assert (mask[25:85, 55:95] == 255).all()
    if masks.PRESETS[name].category in ("lower", "overall"):
        assert (mask[95:165, 60:90] == 255).all()
    assert (mask[6:14, 67:83] == 0).all()  # the face
    with pytest.raises(ValueError, match="preset must be one of upper"):
        masks.preset_mask("hat", atr)
