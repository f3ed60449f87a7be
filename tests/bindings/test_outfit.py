"""TryOn.outfit: several garments on one person equal the calls that one would chain by hand."""

import numpy as np
import pytest
import torch

import catvton
from catvton import masks
from catvton.data.wardrobe import Garment, Outfit, Person, draw
from catvton.masks.labels import ATR, DENSEPOSE, LIP
from support import diffusers_unet, diffusers_vae

SIZE = (160, 120)
FAST = {"seed": 5, "steps": 2, "height": 64, "width": 48, "feather": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    for name, channels in (("masked", 9), ("mask_free", 8)):
        diffusers_unet(in_channels=channels).save_pretrained(root / name / "unet")
    diffusers_vae().save_pretrained(root / "vae")
    return root


@pytest.fixture(scope="module")
def tryon(folder):
    return catvton.TryOn.load(unet=folder / "masked/unet", vae=folder / "vae", device="cpu")


def scene_of(seed, category="upper", top=None):
    outfit = Outfit.sample(seed, category)
    if top is not None:
        outfit = outfit.replace(Garment.sample(seed, kind=top))
    return draw(Person.sample(seed, "full"), outfit, SIZE)


def maps_of(scene):
    return {"atr": scene.atr, "lip": scene.lip, "densepose": scene.densepose}


@pytest.fixture(scope="module")
def scene():
    return scene_of(3)


@pytest.fixture(scope="module")
def garments():
    return {name: Garment.sample(name, category=c).flat(SIZE) for name, c in masks.layers.ORDER.items() if c in (
        "upper", "lower", "overall")} | {
        "inner": Garment.sample("inner", kind="t-shirt").flat(SIZE),
        "outer": Garment.sample("outer", kind="jacket").flat(SIZE),
    }  # fmt: skip


def boxes():
    """A mask for each garment: bands that overlap."""
    out = {}
    for i, name in enumerate(masks.layers.ORDER):
        out[name] = np.zeros(SIZE, np.uint8)
        out[name][20 + 20 * i : 60 + 20 * i, 30:90] = 255
    return out


def same(a, b):
    return np.array_equal(np.asarray(a), np.asarray(b))


# ---- the chain ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "worn", [("lower", "upper", "outer"), ("lower", "inner", "outer"), ("dress", "outer"), ("upper",)]
)
def test_an_outfit_is_the_calls_in_order_each_on_the_result_before(tryon, scene, garments, worn):
    given = {name: boxes()[name] for name in worn}
    picture = scene.image
    for number, name in enumerate(worn):
        step = tryon(picture, garments[name], given[name], **{**FAST, "seed": 5 + number})
        picture = step.image
    result = tryon.outfit(scene.image, masks=given, **{name: garments[name] for name in reversed(worn)}, **FAST)
    assert same(result.image, picture) and same(result.plain, step.plain)
    assert result.seed == 5 and result.image.size == scene.image.size


def test_outside_all_masks_nothing_changes(tryon, scene, garments):
    worn = ("lower", "upper", "outer")
    result = tryon.outfit(scene.image, **maps_of(scene), **{name: garments[name] for name in worn}, **FAST)
    made = masks.outfit_masks(worn, **maps_of(scene))
    union = np.maximum.reduce([masks.grown(mask, 12) for mask in made.values()])  # six sigmas of the feather
    changed = (np.asarray(result.image) != np.asarray(scene.image)).any(-1)
    assert changed[np.minimum.reduce([made["lower"], 255 - made["outer"]]) > 0].mean() > 0.5
    assert not changed[union == 0].any() and (union == 0).mean() > 0.2


def test_label_maps_give_the_documented_masks(tryon, scene, garments):
    worn = {name: garments[name] for name in ("upper", "lower")}
    made = masks.outfit_masks(worn, **maps_of(scene))
    automatic = tryon.outfit(scene.image, **maps_of(scene), **worn, **FAST)
    assert same(automatic.image, tryon.outfit(scene.image, masks=made, **worn, **FAST).image)


def test_a_given_mask_wins_over_the_maps(tryon, scene, garments):
    given = {"lower": boxes()["lower"]}
    worn = {name: garments[name] for name in ("upper", "lower")}
    made = masks.outfit_masks(worn, **maps_of(scene), given=given)
    assert made["lower"] is given["lower"]
    result = tryon.outfit(scene.image, masks=given, **maps_of(scene), **worn, **FAST)
    assert same(result.image, tryon.outfit(scene.image, masks=made, **worn, **FAST).image)


def test_without_a_seed_the_result_names_the_first(tryon, scene, garments):
    call = {"masks": {name: boxes()[name] for name in ("lower", "upper")}}
    call |= {name: garments[name] for name in ("lower", "upper")} | FAST
    first = tryon.outfit(scene.image, **call | {"seed": None})
    assert same(first.image, tryon.outfit(scene.image, **call | {"seed": first.seed}).image)


def test_generator_and_noise_go_on_where_they_stood(tryon, scene, garments):
    given = {name: boxes()[name] for name in ("lower", "upper")}
    worn = {name: garments[name] for name in given}
    call = {k: v for k, v in FAST.items() if k != "seed"}
    drawn = torch.Generator().manual_seed(1)
    shapes = ([[1, 4, 32, 24]] * 2 + [[1, 4, 64, 24]] * 3) * 2  # person, garment, latents, two steps; twice
    noise = [torch.randn(shape, generator=drawn) for shape in shapes]
    by_noise = tryon.outfit(scene.image, masks=given, noise=noise, **worn, **call)
    generator = torch.Generator().manual_seed(1)
    by_generator = tryon.outfit(scene.image, masks=given, generator=generator, **worn, **call)
    assert same(by_noise.image, by_generator.image) and by_noise.seed is None


def test_the_callback_counts_over_all_garments(tryon, scene, garments):
    seen, names = [], ("lower", "upper", "outer")
    tryon.outfit(
        scene.image,
        masks={name: boxes()[name] for name in names},
        callback=lambda step, total, latents: seen.append((step, total)),
        **{name: garments[name] for name in names},
        **FAST,
    )
    assert seen == [(step, 6) for step in range(1, 7)]


def test_the_result_is_of_the_persons_kind_and_exact_outside_the_masks(tryon, scene, garments):
    exact = torch.rand(1, *SIZE, 3, generator=torch.Generator().manual_seed(0))
    given = {name: boxes()[name] for name in ("lower", "upper")}
    result = tryon.outfit(exact, masks=given, lower=garments["lower"], upper=garments["upper"], **FAST | {"feather": 0})
    kept = torch.from_numpy(np.maximum(given["lower"], given["upper"]) == 0)
    assert result.image.dtype == torch.float32 and torch.equal(result.image[0][kept], exact[0][kept])
    assert not torch.equal(result.image[0][~kept], exact[0][~kept])


def test_a_mask_free_model_needs_no_masks(folder, scene, garments):
    model = catvton.TryOn.load(unet=folder / "mask_free/unet", vae=folder / "vae", device="cpu")
    call = {k: v for k, v in FAST.items() if k != "seed"}
    first = model(scene.image, garments["lower"], seed=5, **call)
    second = model(first.image, garments["upper"], seed=6, **call)
    assert same(model.outfit(scene.image, upper=garments["upper"], lower=garments["lower"], **FAST).image, second.image)


@pytest.mark.parametrize(
    "change, message",
    [
        ({}, "no garment is given"),
        ({"upper": 1, "dress": 1}, "dress= takes the place of upper"),
        ({"lower": 1, "dress": 1}, "dress= takes the place of lower"),
        ({"lower": 1, "inner": 1, "dress": 1}, "dress= takes the place of lower and inner"),
        ({"upper": 1, "inner": 1}, "upper= takes the place of inner"),
        ({"upper": 1}, "no mask for upper"),
        ({"upper": 1, "lower": 1, "masks": ["lower"]}, "no mask for upper: give masks={'upper'"),
        ({"upper": 1, "masks": ["upper", "lower"]}, "masks has lower, but the garments are upper"),
        ({"upper": 1, "masks": ["upper"], "mask": 1}, "outfit takes no mask="),
        ({"upper": 1, "masks": ["upper"], "paste_back": False}, "outfit takes no paste_back="),
        ({"upper": 1, "masks": ["upper"], "batch_size": 2}, "outfit takes no batch_size="),
        ({"upper": 1, "masks": ["upper"], "seed": -1}, "seed must be 0 to"),
        ({"upper": 1, "masks": ["upper"], "noise": []}, "give one of seed, generator and noise"),
    ],
)
def test_mistakes_are_named(tryon, scene, garments, change, message):
    call = {**FAST, **change}
    call |= {name: garments[name] for name in garments if name in change}
    call |= {"masks": {name: boxes()[name] for name in change["masks"]}} if "masks" in change else {}
    with pytest.raises(ValueError, match=message):
        tryon.outfit(scene.image, **call)


# ---- what an earlier garment means for a later mask -----------------------------------------------------------------


def area(scene, *parts):
    found = [label for part in parts for label in LIP.get(part, ())]
    return np.isin(scene.lip, found)


def body(scene, *parts):
    return np.isin(scene.densepose, [label for part in parts for label in DENSEPOSE[part]])


def test_one_garment_has_the_bare_rules_mask(scene):
    for name, category in masks.layers.ORDER.items():
        if name != "outer":
            want = masks.agnostic(category, **maps_of(scene))
            assert same(masks.outfit_masks([name], **maps_of(scene))[name], want)


def test_masks_come_in_the_order_of_putting_on(scene):
    assert list(masks.outfit_masks(["outer", "upper", "lower"], **maps_of(scene))) == ["lower", "upper", "outer"]


@pytest.mark.parametrize("seed", range(6))
def test_above_the_hips_the_top_owns_the_overlap_and_below_the_new_bottom(seed):
    scene = scene_of(seed)
    made = masks.outfit_masks(["upper", "lower"], **maps_of(scene))
    bare = {name: masks.agnostic(name, **maps_of(scene)) for name in made}
    rows = np.arange(SIZE[0])
    above = rows < np.flatnonzero(body(scene, "thighs").any(1))[0]
    below = rows > np.flatnonzero(body(scene, "torso").any(1))[-1]
    assert same(made["lower"], bare["lower"]) and same(made["upper"][above], bare["upper"][above])
    overlap = (made["upper"] > 0) & (made["lower"] > 0) & ~area(scene, "upper-clothes", "coat")
    assert not overlap[below].any()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("top", ["upper", "inner"])
def test_a_worn_dress_is_divided_between_top_and_bottom(seed, top):
    scene = scene_of(seed, "overall")
    made = masks.outfit_masks([top, "lower"], **maps_of(scene))
    dress, torso, legs = area(scene, "dress"), body(scene, "torso"), body(scene, "thighs", "lower legs")
    union = np.maximum(made[top], made["lower"]) > 0
    assert union[dress].mean() > 0.99
    whole = masks.agnostic("lower", **maps_of(scene)) > 0
    assert whole[dress & torso].mean() > 0.99  # the rule for one garment would repaint the bodice twice
    assert (made["lower"][dress & torso] > 0).mean() < 0.35
    assert (made[top][dress & legs] > 0).mean() < 0.35


def test_a_worn_dress_and_no_densepose_map_is_an_error():
    scene = scene_of(1, "overall")
    with pytest.raises(ValueError, match="needs a densepose map"):
        masks.outfit_masks(["upper", "lower"], scene.atr, scene.lip)
    assert list(masks.outfit_masks(["dress"], scene.atr, scene.lip, scene.densepose)) == ["dress"]


def test_a_coat_replaces_a_worn_coat_or_covers_the_top():
    worn = scene_of(4, top="jacket")
    made = masks.outfit_masks(["outer"], **maps_of(worn))["outer"]
    assert same(made, masks.agnostic("outer", **maps_of(worn)))
    assert (made[area(worn, "coat")] > 0).mean() > 0.99
    bare = scene_of(4, top="t-shirt")
    assert not area(bare, "coat").any()
    covered = masks.outfit_masks(["outer"], **maps_of(bare))["outer"]
    assert (covered[area(bare, "upper-clothes")] > 0).mean() > 0.99
    in_dress = scene_of(4, "overall")
    bodice = area(in_dress, "dress") & body(in_dress, "torso")
    assert (masks.outfit_masks(["outer"], **maps_of(in_dress))["outer"][bodice] > 0).mean() > 0.99


def test_a_jumpsuit_is_divided_into_top_and_trousers(scene):
    suit = np.where(area(scene, "pants", "skirt", "upper-clothes", "coat"), LIP["jumpsuits"][0], scene.lip)
    atr = np.where(suit == LIP["jumpsuits"][0], ATR["dress"][0], scene.atr)
    made = masks.outfit_masks(["upper", "lower"], atr, suit, scene.densepose)
    torso, legs = body(scene, "torso"), body(scene, "lower legs")
    assert (made["upper"][legs] > 0).mean() < 0.1 and (made["lower"][torso] > 0).mean() < 0.35
