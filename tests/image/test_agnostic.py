"""The agnostic mask against the reference's, step by step and as a whole."""

import numpy as np
import pytest
import torch
from PIL import Image

from catvton import masks

SIZES = ["384x512", "300x400"]
CATEGORIES = ["upper", "lower", "overall", "inner", "outer"]

# Filled polygons differ between OpenCV 4 and 5, which made the reference's masks, at their edges.
MAX_EDGE_PIXELS = 30


def maps(golden, size):
    return {name: golden(f"masker/{size}/{name}") for name in ("atr", "lip", "densepose")}


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("size", SIZES)
def test_equals_the_reference(golden, size, category):
    got, want = masks.agnostic(category, **maps(golden, size)), golden(f"masker/{size}/{category}/out")
    differing = int((got != want).sum())
    assert differing <= (0 if category == "lower" else MAX_EDGE_PIXELS), f"{differing} pixels differ"


def test_nothing_seen_gives_the_references_empty_mask(golden):
    nothing = np.zeros((512, 384), np.uint8)
    np.testing.assert_array_equal(masks.agnostic("upper", nothing, nothing, nothing), golden("masker/empty_out"))


def person(height=403, width=301):
    """A drawn person in the three label sets: (atr, lip, densepose)."""
    atr, lip, dense = (np.zeros((height, width), np.uint8) for _ in range(3))

    def draw(top, bottom, left, right, a, b, d):
        window = (slice(int(top * height), int(bottom * height)), slice(int(left * width), int(right * width)))
        for array, label in ((atr, a), (lip, b), (dense, d)):
            array[window] = label

    draw(0.05, 0.15, 0.42, 0.58, 11, 13, 23)  # face
    draw(0.02, 0.06, 0.42, 0.58, 2, 2, 0)  # hair
    draw(0.15, 0.50, 0.35, 0.65, 4, 5, 2)  # shirt on the torso
    draw(0.15, 0.25, 0.25, 0.35, 4, 5, 15)  # sleeves
    draw(0.15, 0.25, 0.65, 0.75, 4, 5, 16)
    draw(0.25, 0.45, 0.25, 0.33, 14, 14, 19)  # bare forearms
    draw(0.25, 0.45, 0.67, 0.75, 15, 15, 20)
    draw(0.45, 0.50, 0.25, 0.33, 14, 14, 4)  # hands
    draw(0.45, 0.50, 0.67, 0.75, 15, 15, 3)
    draw(0.50, 0.85, 0.37, 0.48, 6, 9, 8)  # trousers
    draw(0.50, 0.85, 0.52, 0.63, 6, 9, 7)
    draw(0.85, 0.92, 0.37, 0.48, 9, 18, 6)  # shoes
    draw(0.85, 0.92, 0.52, 0.63, 10, 19, 5)
    return atr, lip, dense


def share(mask, where):
    return (mask[where] == 255).mean()


@pytest.mark.parametrize("size", [(403, 301), (404, 302), (37, 29), (1, 1), (9, 400)])
@pytest.mark.parametrize("category", CATEGORIES)
def test_any_size_works(size, category):
    mask = masks.agnostic(category, *person(*size))
    assert mask.shape == size and mask.dtype == np.uint8 and set(np.unique(mask)) <= {0, 255}


def test_categories_take_their_clothes_and_keep_the_rest():
    atr, lip, dense = person()
    face, hands = lip == 13, np.isin(dense, (3, 4))
    for category, taken, kept in [
        ("upper", atr == 4, (atr == 6) | face),
        ("lower", atr == 6, face | (atr == 14)),
        ("overall", (atr == 4) | (atr == 6), face),
    ]:
        mask = masks.agnostic(category, atr, lip, dense)
        assert share(mask, taken) > 0.97, category
        assert share(mask, kept) < 0.1, category
    assert share(masks.agnostic("upper", atr, lip, dense), hands) < 0.3


@pytest.mark.parametrize(
    "names, says",
    [
        (("atr", "lip"), ["without a densepose map hands and feet count as arms and legs"]),
        (("lip", "densepose"), ["lip cannot tell bag"]),
        (("atr", "densepose"), ["atr cannot tell coat, jumpsuits, glove, socks"]),
        (("densepose",), ["without a parsing map"]),
        (("atr",), ["atr cannot tell", "without a densepose map"]),
    ],
)
def test_fewer_maps_work_and_say_what_is_lost(names, says):
    atr, lip, dense = person()
    given = {
        name: array for name, array in zip(("atr", "lip", "densepose"), (atr, lip, dense), strict=True) if name in names
    }
    with pytest.warns(UserWarning) as caught:
        mask = masks.agnostic("upper", **given)
    for text in says:
        assert any(text in str(warning.message) for warning in caught), [str(w.message) for w in caught]
    assert share(mask, atr == 4) > 0.9 and share(mask, lip == 13) < 0.1 and share(mask, atr == 6) < 0.1


def test_all_three_maps_warn_of_nothing(recwarn):
    masks.agnostic("upper", *person())
    assert not recwarn.list and masks.losses("upper", {"atr", "lip"}, True) == []


@pytest.mark.parametrize("parser", ["cihp", "fashn"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_other_parsers_through_their_names(parser):
    atr, lip, dense = person()
    to_fashn = np.zeros(18, np.uint8)  # from ATR
    to_fashn[[2, 4, 6, 9, 10, 11, 14, 15]] = [2, 3, 6, 15, 15, 1, 12, 12]
    other = lip if parser == "cihp" else np.where(np.isin(dense, (3, 4)), 13, to_fashn[atr]).astype(np.uint8)
    got = masks.agnostic("upper", densepose=dense, others={parser: other})
    want = masks.agnostic("upper", atr, lip, dense)
    assert (got != want).mean() < 0.01


def test_fashn_alone_keeps_hands():
    atr, _, dense = person()
    fashn = np.select([np.isin(dense, (3, 4)), atr == 4, np.isin(atr, (14, 15)), atr == 11], [13, 3, 12, 1], 0)
    with pytest.warns(UserWarning) as caught:
        mask = masks.agnostic("upper", others={"fashn": fashn})
    assert share(mask, fashn == 13) < 0.3 < 0.9 < share(mask, fashn == 3)
    assert not any("hands" in str(warning.message) for warning in caught)


def test_cover_adds_what_the_category_keeps():
    atr, lip, dense = person()
    legs = atr == 6
    assert share(masks.agnostic("upper", atr, lip, dense), legs) < 0.1
    assert share(masks.agnostic("upper", atr, lip, dense, cover=["pants", "legs"]), legs) > 0.97
    arms = np.isin(dense, (19, 20))
    assert share(masks.agnostic("inner", atr, lip, dense, cover=["arms"]), arms) > 0.9
    with pytest.raises(ValueError, match=r"cover knows arms, legs, torso, .*; got 'hat'"):
        masks.agnostic("upper", atr, lip, dense, cover=["hat"])


def test_identity_is_face_hair_hands_and_feet():
    atr, lip, dense = person()
    want = np.isin(lip, (2, 13)) | np.isin(dense, (3, 4, 5, 6))
    np.testing.assert_array_equal(masks.identity(atr, lip, dense) == 255, want)
    np.testing.assert_array_equal(masks.identity(atr) == 255, np.isin(lip, (2, 13)))  # no map shows hands and feet
    np.testing.assert_array_equal(masks.identity(densepose=dense) == 255, np.isin(dense, (3, 4, 5, 6, 23, 24)))


def test_presets_never_paint_face_hands_or_feet():
    atr, lip, dense = person()
    kept = np.isin(lip, (2, 13)) | np.isin(dense, (3, 4, 5, 6))
    for name, preset in masks.PRESETS.items():
        if preset.loose or preset.grow:
            assert share(masks.preset_mask(name, atr, lip, dense), kept) == 0, name


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_bad_maps_are_named():
    atr, lip, _ = person()
    with pytest.raises(ValueError, match=r"category must be one of upper, lower, .*got 'shoes'"):
        masks.agnostic("shoes", atr)
    with pytest.raises(ValueError, match="needs at least one label map"):
        masks.agnostic("upper")
    with pytest.raises(ValueError, match=r"atr map has unknown labels 18, 33; atr has 0 to 17"):
        masks.agnostic("upper", np.where(atr == 4, 33, np.where(atr == 6, 18, 0)))
    with pytest.raises(ValueError, match="unknown labels -1"):
        masks.agnostic("upper", atr.astype(int) - 1)
    with pytest.raises(ValueError, match=r"one size, got atr 301x403, lip 300x403"):
        masks.agnostic("upper", atr, lip[:, :300])
    with pytest.raises(ValueError, match=r"lip map is a colour picture \(RGB\)"):
        masks.agnostic("upper", lip=Image.fromarray(np.random.default_rng(0).integers(0, 9, (8, 8, 3), dtype=np.uint8)))
    with pytest.raises(ValueError, match="whole label numbers"):
        masks.agnostic("upper", atr=atr + 0.5)
    with pytest.raises(ValueError, match="unknown label set 'pascal'; known are atr, lip, cihp, fashn"):
        masks.agnostic("upper", others={"pascal": atr})


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_maps_are_read_from_files_palettes_and_tensors(tmp_path):
    atr = person()[0]
    want = masks.agnostic("upper", atr)
    palette = Image.fromarray(atr, "P")
    palette.putpalette(np.random.default_rng(0).integers(0, 256, 768, dtype=np.uint8).tobytes())
    palette.save(tmp_path / "atr.png")  # SCHP writes its maps so: the index is the label, the colour is for people
    for source in (tmp_path / "atr.png", palette, torch.from_numpy(atr).long()[None], np.repeat(atr[..., None], 1, 2)):
        np.testing.assert_array_equal(masks.agnostic("upper", source), want)
