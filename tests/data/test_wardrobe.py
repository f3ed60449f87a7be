"""The drawn wardrobe's promises: what is drawn depends on seeds alone, and the truth is exact."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ImageFilter

import catvton.data
from catvton.data.wardrobe import CATEGORIES, FABRICS, FRAMINGS, KINDS, Garment, Outfit, Person, case, draw
from catvton.data.wardrobe import labels as L

SIZE = (128, 96)
SEEDS = st.integers(0, 10**6)
HANDS = [3, 4]
few = settings(max_examples=25, deadline=None)


def pixels(picture):
    return np.asarray(picture)


def digest(seed):
    scene = case(seed, 3).scene(SIZE)
    flat = Garment.sample(seed).flat(SIZE)
    parts = (scene.image.tobytes(), scene.atr.tobytes(), scene.lip.tobytes(), scene.densepose.tobytes(), flat.tobytes())
    return hashlib.sha256(b"".join(parts)).hexdigest()


def test_same_seed_same_bytes_in_another_process():
    code = "import sys; sys.path[:0] = sys.argv[1:]; from test_wardrobe import digest; print(digest(11))"
    folders = [str(Path(__file__).parent), str(Path(catvton.data.__file__).parents[2])]
    env = os.environ | {"PYTHONHASHSEED": "123"}
    done = subprocess.run([sys.executable, "-c", code, *folders], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == digest(11)


def test_another_seed_is_another_picture():
    assert digest(1) != digest(2)


@pytest.mark.parametrize("change", [{"seed": 6}, {"index": 1}, {"split": "test"}])
def test_cases_differ_in_seed_index_and_split(change):
    key = {"seed": 5, "index": 0, "split": "train"}
    one, other = case(**key), case(**key | change)
    assert one.person != other.person
    assert one.garment != other.garment


@few
@given(SEEDS, SEEDS, SEEDS, st.sampled_from(CATEGORIES), st.sampled_from(CATEGORIES), st.sampled_from(FRAMINGS))
def test_pictures_are_equal_outside_the_mask(seed, a, b, worn, category, framing):
    person, outfit = Person.sample(seed, framing), Outfit.sample(seed, worn)
    first, second = Garment.sample(a, category=category), Garment.sample(b, category=category)
    before = draw(person, outfit.replace(first), SIZE)
    after = draw(person, outfit.replace(second), SIZE)
    changed = (pixels(before.image) != pixels(after.image)).any(-1)
    assert not (changed & (pixels(before.agnostic_mask(category)) == 0)).any()
    start = draw(person, outfit, SIZE)  # from whatever was worn, dresses included
    changed = (pixels(start.image) != pixels(after.image)).any(-1)
    assert not (changed & (pixels(start.agnostic_mask(outfit.mask_category(second))) == 0)).any()


@few
@given(SEEDS, SEEDS, st.sampled_from(CATEGORIES), st.sampled_from(FRAMINGS))
def test_mask_covers_the_garment_and_spares_face_and_hands(seed, other, category, framing):
    outfit = Outfit.sample(other, category)
    garment = {"upper": outfit.top, "lower": outfit.bottom, "overall": outfit.dress}[category]
    scene = draw(Person.sample(seed, framing), outfit, SIZE, clip=False)  # the garment as cut, not yet held to the mask
    mask, area = pixels(scene.agnostic_mask(category)) > 0, scene.garment_area(garment)
    assert (area & ~mask).sum() <= 0.01 * area.sum()
    face, hair = scene.lip == L.LIP.index("face"), scene.lip == L.LIP.index("hair")
    # a collar hides the neck behind it from the label map: so ask a map with a bare neck too
    assert not (mask & face).any()
    assert not (mask & np.isin(scene.densepose, HANDS)).any()
    in_front = draw(Person.sample(seed, framing), Outfit.sample(0), SIZE)
    assert not (mask & (in_front.lip == L.LIP.index("face"))).any()
    assert (mask & hair).sum() <= 0.2 * max(1, hair.sum())  # only hair that falls behind the shoulders


@few
@given(SEEDS, SEEDS, SEEDS, st.sampled_from(CATEGORIES), st.sampled_from(FRAMINGS))
def test_mask_and_body_map_know_nothing_of_the_garment(seed, a, b, category, framing):
    person = Person.sample(seed, framing)
    one, other = draw(person, Outfit.sample(a), SIZE), draw(person, Outfit.sample(b, "overall"), SIZE)
    assert one.agnostic_mask(category).tobytes() == other.agnostic_mask(category).tobytes()
    assert (one.densepose == other.densepose).all()


@few
@given(SEEDS, st.sampled_from(CATEGORIES), st.sampled_from(FRAMINGS))
def test_labels_are_the_documented_ones_and_both_sets_agree(seed, category, framing):
    scene = case(seed, 0, category=category, framing=framing).scene(SIZE)
    assert scene.atr.max() < len(L.ATR) == 18
    assert scene.lip.max() < len(L.LIP) == 20
    assert scene.densepose.max() <= 24
    assert {scene.atr.dtype, scene.lip.dtype, scene.densepose.dtype} == {np.dtype("uint8")}
    pairs = {(L.ATR[a], L.LIP[b]) for a, b in zip(scene.atr.ravel(), scene.lip.ravel(), strict=True)}
    assert all(a == b or (a, b) == ("upper-clothes", "coat") for a, b in pairs), pairs
    worn = {(L.ATR[L.GARMENT[g.kind][0]], L.LIP[L.GARMENT[g.kind][1]]) for g in scene.outfit.worn}
    assert worn <= pairs
    for garment in scene.outfit.worn:
        area = scene.garment_area(garment)
        assert (scene.atr[area] == L.GARMENT[garment.kind][0]).all()
        assert (scene.lip[area] == L.GARMENT[garment.kind][1]).all()
    person = scene.atr > 0
    assert person[(scene.densepose > 0)].mean() > 0.98  # a body part is never background


def test_sides_are_the_persons_own():
    scene = draw(Person.sample(3, "full"), Outfit.sample(3), SIZE)
    for left, right in ((L.DENSE_HAND[1], L.DENSE_HAND[-1]), (L.DENSE_THIGH[1], L.DENSE_THIGH[-1])):
        columns = [np.nonzero(scene.densepose == part)[1].mean() for part in (left, right)]
        assert columns[0] > columns[1]  # seen from the front, the left hand is to the right


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fabric", FABRICS)
def test_every_garment_in_every_fabric(kind, fabric):
    garment = Garment.sample(f"{kind} {fabric}", kind, fabric)
    flat, mask = pixels(garment.flat(SIZE)), pixels(garment.flat_mask(SIZE))
    assert flat.shape == (*SIZE, 3)
    assert (flat[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()
    assert set(np.unique(mask)) == {0, 255}
    assert 0.1 < (mask > 0).mean() < 0.9
    outside = pixels(garment.flat_mask(SIZE).filter(ImageFilter.MaxFilter(5))) == 0
    assert (flat[outside] == 255).all()
    scene = draw(Person.sample(1, "full"), Outfit.sample(1).replace(garment), SIZE)
    assert scene.garment_area(garment).sum() > 100


def test_worn_cloth_shows_the_flat_garments_colour():
    """The generator is no use for try-on unless the garment's picture tells what the worn garment looks like."""
    for seed in range(12):
        garment = Garment.sample(seed, category="upper", fabric="plain")
        scene = draw(Person.sample(seed), Outfit.sample(seed).replace(garment), SIZE)
        worn = np.median(pixels(scene.image)[scene.garment_area(garment)], axis=0)
        flat = np.median(pixels(garment.flat(SIZE))[pixels(garment.flat_mask(SIZE)) > 0], axis=0)
        assert abs(worn - flat).max() < 30


@pytest.mark.parametrize("size", [(128, 96), (192, 144), (256, 192), (512, 384), (200, 200), (64, 256)])
def test_any_size(size):
    scene = draw(Person.sample(2), Outfit.sample(2), size)
    assert scene.image.size == (size[1], size[0])
    assert scene.image.mode == "RGB"
    assert scene.atr.shape == scene.lip.shape == scene.densepose.shape == size
    assert scene.agnostic_mask("upper").size == scene.image.size


def test_a_top_takes_a_dress_off():
    outfit = Outfit.sample(1, "overall")
    top = Garment.sample(2, category="upper")
    assert outfit.mask_category(top) == "overall"
    changed = outfit.replace(top)
    assert changed.worn == (outfit.bottom, top)
    assert changed.mask_category(top) == "upper"


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: Person.sample(0, "half"), "framing 'half'"),
        (lambda: Garment.sample(0, kind="sock"), "garment kind 'sock'"),
        (lambda: Garment.sample(0, fabric="lace"), "fabric 'lace'"),
        (lambda: Garment.sample(0, category="shoes"), "category 'shoes'"),
        (lambda: Garment.sample(0, kind="skirt", category="upper"), "is of category 'lower'"),
        (lambda: Outfit(Garment.sample(0, "skirt"), Garment.sample(0, "skirt")), "cannot be the upper garment"),
        (lambda: Outfit.sample(0, "feet"), "category 'feet'"),
        (lambda: draw(Person.sample(0), Outfit.sample(0), (8, 8)), "size 8x8"),
        (lambda: draw(Person.sample(0), Outfit.sample(0), 256), "size 256"),
        (lambda: draw(Person.sample(0), Outfit.sample(0), SIZE).agnostic_mask("inner"), "category 'inner'"),
        (
            lambda: draw(Person.sample(0), Outfit.sample(0), SIZE).garment_area(Garment.sample(99, "dress")),
            "does not wear",
        ),
        (lambda: case(0, 0, split="validation"), "split 'validation'"),
        (lambda: case(0, -1), "index -1"),
    ],
)
def test_bad_input_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


def test_needs_neither_torch_nor_the_native_module():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); sys.modules['torch'] = None; sys.modules['cv2'] = None\n"
        "import catvton.data.wardrobe, catvton.data.pairs, catvton.data.cli"
    )
    folder = str(Path(catvton.data.__file__).parents[2])
    subprocess.run([sys.executable, "-c", code, folder], check=True)
