"""Automatic masks on the drawn wardrobe, where it is known what is worn and where face and hands are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from catvton import masks
from catvton.data.wardrobe import CATEGORIES, FRAMINGS, case
from catvton.masks.labels import DENSEPOSE, LIP

SIZE = (512, 384)
few = settings(max_examples=12, deadline=None)
indices = st.integers(0, 10**6)


def drawn(index, category, framing="full"):
    one = case(1, index, "test", category, framing)
    scene = one.scene(SIZE)
    return one, scene, {"atr": scene.atr, "lip": scene.lip, "densepose": scene.densepose}


def face_and_hands(scene):
    return np.isin(scene.lip, LIP["face"]) | np.isin(scene.densepose, DENSEPOSE["hands"])


@few
@given(indices, st.sampled_from([(c, f) for c in CATEGORIES for f in FRAMINGS if (c, f) != ("lower", "upper")]))
def test_the_worn_garment_is_covered(index, picture):
    category, framing = picture
    one, scene, maps = drawn(index, category, framing)
    worn = scene.garment_area(one.garment)
    mask = masks.agnostic(category, **maps)
    assert (mask[worn] > 0).mean() >= 0.99
    spared = masks.protected(mask, masks.identity(**maps))
    assert (spared[worn] > 0).mean() >= 0.99
    assert not spared[face_and_hands(scene)].any()


@few
@given(indices, st.sampled_from(CATEGORIES))
def test_the_rule_paints_no_more_of_face_and_hands_than_the_rim_of_its_last_dilation(index, category):
    """The reference takes face and hands away and dilates once more, by a square of max(w, h) // 250, made odd."""
    _, scene, maps = drawn(index, category)
    kept = Image.fromarray(face_and_hands(scene)).convert("L")
    inner = np.asarray(kept.filter(ImageFilter.MinFilter(3))) > 0  # 512 // 250 = 2, made odd
    assert not (masks.agnostic(category, **maps) > 0)[inner].any()


@few
@given(indices, st.sampled_from(sorted(name for name, p in masks.PRESETS.items() if p.loose or p.grow)))
def test_presets_that_widen_never_touch_face_or_hands(index, name):
    category = masks.PRESETS[name].category
    _, scene, maps = drawn(index, category if category in CATEGORIES else "upper")
    assert not masks.preset_mask(name, **maps)[face_and_hands(scene)].any()


@few
@given(indices, st.sampled_from([("upper", "long-top"), ("lower", "wide-lower"), ("overall", "dress")]))
def test_wide_presets_hold_any_other_garment_of_the_category(index, wanted):
    category, preset = wanted
    one, _, maps = drawn(index, category)
    other = one.truth(one.other, SIZE).garment_area(one.other)
    assert (masks.preset_mask(preset, **maps)[other] > 0).mean() >= 0.97


@pytest.mark.parametrize("category", CATEGORIES)
def test_automatic_and_exact_masks_agree_by_more_than_half(category):
    """The exact mask holds every garment that the generator may draw, the automatic one follows the worn garment."""
    for index in range(8):
        _, scene, maps = drawn(index, category)
        automatic, exact = masks.agnostic(category, **maps) > 0, np.asarray(scene.agnostic_mask(category)) > 0
        assert (automatic & exact).sum() > 0.5 * (automatic | exact).sum()
