"""catvton.TryOn as a user calls it: pictures of every kind, lists, seeds, callbacks, and mistakes."""

import io
import threading

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import catvton
from catvton._native import C
from catvton.preparation import prepare
from support import diffusers_unet, diffusers_vae

SIZE = {"height": 64, "width": 48}
PLAIN = {"steps": 2, "paste_back": False, **SIZE}
FAST = {"seed": 5, **PLAIN}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small random model in diffusers' layout, in both kinds."""
    root = tmp_path_factory.mktemp("models")
    for name, channels in (("masked", 9), ("mask_free", 8)):
        diffusers_unet(in_channels=channels).save_pretrained(root / name / "unet")
        diffusers_vae().save_pretrained(root / name / "vae")
    return root


def load(folder, **options):
    """Without attention weights: the random base has its own."""
    return catvton.TryOn.load(unet=folder / "unet", vae=folder / "vae", **{"device": "cpu", **options})


@pytest.fixture(scope="module")
def tryon(folder):
    return load(folder / "masked")


@pytest.fixture(scope="module")
def mask_free(folder):
    return load(folder / "mask_free")


def picture(seed, height=64, width=48):
    """Smooth, colourful, and unlike any other seed's."""
    noise = np.random.default_rng(seed).integers(0, 256, (5, 4, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def person():
    return picture(1)


@pytest.fixture(scope="module")
def garment():
    return picture(2)


@pytest.fixture(scope="module")
def mask():
    array = np.zeros((64, 48), np.uint8)
    array[20:50, 10:40] = 255
    return Image.fromarray(array)


def levels(a, b):
    """The largest difference of two pictures in 8-bit levels."""
    return np.abs(np.asarray(a, np.int16) - np.asarray(b, np.int16)).max()


# ---- what comes out is the documented computation -------------------------------------------------------------------


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_seed_is_one_generator_drawn_in_the_documented_order(tryon, person, garment, mask, eta):
    generator = torch.Generator().manual_seed(5)
    drawn = iter(
        [torch.randn(1, 4, 32, 24, generator=generator), torch.randn(1, 4, 32, 24, generator=generator)]
        + [torch.randn(1, 4, 64, 24, generator=generator) for _ in range(1 + 2 * (eta > 0))]
    )
    p = prepare(person, garment, mask, 64, 48)
    arrays = [torch.from_numpy(a) for a in (p.person, p.garment, p.mask)]
    with torch.inference_mode():
        want = C.tryon(tryon.unet, tryon.vae, *arrays, C.DDIMConfig(), 2, 2.5, eta, lambda shape: next(drawn))
    assert next(drawn, None) is None
    got = tryon(person, garment, mask, eta=eta, **FAST)
    assert np.array_equal(np.asarray(got.image), (want[0] * 255).round().byte().numpy())
    assert got.seed == 5


def test_golden_pictures_through_the_whole_package(golden):
    trace = load_file(golden / "masked/tiny_128x96_s4_g2.5_e1.0/trace.safetensors")
    model = catvton.TryOn.load(golden / "models/tiny", device="cpu")
    person, garment, mask = (trace[f"pre.u8.{name}"].numpy() for name in ("person", "cloth", "mask"))
    noise = [trace[name] for name in sorted(trace) if name.startswith("noise.")]
    result = model(person, garment, mask, steps=4, height=128, width=96, noise=noise, paste_back=False)
    assert levels(result.image, trace["final.u8"]) <= 1


def test_mask_free_needs_no_mask(mask_free, person, garment, mask):
    assert not mask_free.masked
    without = mask_free(person, garment, **FAST).image
    assert levels(without, mask_free(person, garment, mask, **FAST).image) == 0


def test_another_seed_or_garment_is_another_picture(tryon, person, garment, mask):
    first = tryon(person, garment, mask, **FAST).image
    assert levels(first, tryon(person, garment, mask, **FAST).image) == 0
    assert levels(first, tryon(person, garment, mask, **{**FAST, "seed": 6}).image) > 1
    assert levels(first, tryon(person, picture(9), mask, **FAST).image) > 1


def test_without_a_seed_the_result_names_the_one_it_took(tryon, person, garment, mask):
    first = tryon(person, garment, mask, **PLAIN)
    again = tryon(person, garment, mask, seed=first.seed, **PLAIN)
    assert levels(first.image, again.image) == 0


def test_a_generator_goes_on_where_it_stood(tryon, person, garment, mask):
    generator = torch.Generator().manual_seed(5)
    first = tryon(person, garment, mask, generator=generator, **PLAIN)
    assert first.seed is None
    assert levels(first.image, tryon(person, garment, mask, **FAST).image) == 0
    assert levels(first.image, tryon(person, garment, mask, generator=generator, **PLAIN).image) > 1


# ---- lists ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 3])
def test_pictures_of_a_list_equal_pictures_alone(tryon, person, garment, mask, batch_size):
    persons = [person, picture(3), picture(4)]
    results = tryon(persons, garment, mask, batch_size=batch_size, **FAST)
    assert [r.seed for r in results] == [5, 6, 7]
    for i, (single, result) in enumerate(zip(persons, results, strict=True)):
        alone = tryon(single, garment, mask, **{**FAST, "seed": 5 + i})
        assert levels(result.image, alone.image) <= 1


def test_many_garments_for_one_person_and_batched_arrays(tryon, person, garment, mask):
    garments = np.stack([np.asarray(garment), np.asarray(picture(8))])
    results = tryon(person, garments, [mask], **FAST)
    listed = tryon(person, list(garments), mask, **FAST)
    assert [levels(a.image, b.image) for a, b in zip(results, listed, strict=True)] == [0, 0]
    assert levels(results[0].image, results[1].image) > 1


def test_a_list_of_one_gives_a_list(tryon, person, garment, mask):
    assert isinstance(tryon([person], garment, mask, **FAST), list)


@pytest.mark.parametrize(
    "persons, garments, message",
    [(2, 3, "2 of person, 3 of garment"), (0, 1, "person is an empty list")],
)
def test_lists_that_do_not_pair_up(tryon, person, garment, mask, persons, garments, message):
    with pytest.raises(ValueError, match=message):
        tryon([person] * persons, [garment] * garments, mask, **FAST)


# ---- kinds of pictures ----------------------------------------------------------------------------------------------


def test_every_kind_of_picture_gives_its_own_kind_back(tryon, person, garment, mask, tmp_path):
    person.save(tmp_path / "person.png")
    want = np.asarray(tryon(person, garment, mask, **FAST).image)
    array = np.asarray(person)
    kinds = {
        "path": str(tmp_path / "person.png"),
        "pathlib": tmp_path / "person.png",
        "uint8": array,
        "float32": array.astype(np.float32) / 255,
        "torch": torch.from_numpy(array.copy()).float() / 255,
        "comfyui": (torch.from_numpy(array.copy()).float() / 255)[None],
        "torch uint8": torch.from_numpy(array.copy()),
        "float16": (torch.from_numpy(array.copy()).float() / 255).half(),
    }
    got = {kind: tryon(source, garment, mask, **FAST) for kind, source in kinds.items()}
    for kind, result in got.items():
        assert levels(result.pil, want) <= 1, kind
    assert isinstance(got["path"].image, Image.Image) and isinstance(got["pathlib"].image, Image.Image)
    assert got["uint8"].image.dtype == np.uint8 and got["uint8"].image.shape == (64, 48, 3)
    assert got["float32"].image.dtype == np.float32 and got["float32"].image.max() <= 1
    assert got["torch"].image.dtype == torch.float32 and list(got["torch"].image.shape) == [64, 48, 3]
    assert list(got["comfyui"].image.shape) == [1, 64, 48, 3]
    assert got["torch uint8"].image.dtype == torch.uint8
    assert got["float16"].image.dtype == torch.float16


@pytest.mark.parametrize("mode", ["RGBA", "P", "L", "CMYK", "I;16"])
def test_unusual_modes_are_converted(tryon, garment, mask, mode):
    if mode == "I;16":
        unusual = Image.fromarray(np.linspace(0, 65535, 64 * 48, dtype=np.uint16).reshape(64, 48))
    else:
        unusual = picture(1).convert(mode)
    assert tryon(unusual, garment, mask, **FAST).pil.size == (48, 64)


def test_tiny_and_huge_pictures(tryon, garment):
    white = Image.new("L", (1, 1), 255)
    with pytest.raises(ValueError, match="covers the whole"):
        tryon(picture(1, 1, 1), garment, white, **FAST)
    mask = Image.new("L", (10_000, 400))
    mask.paste(255, (2_000, 100, 8_000, 300))
    assert tryon(picture(1, 400, 10_000), picture(2, 1, 1), mask, **FAST).pil.size == (48, 64)


def test_a_result_shows_in_a_notebook_and_saves_whole_files(tryon, person, garment, mask, tmp_path):
    result = tryon(np.asarray(person), garment, mask, **FAST)
    shown = Image.open(io.BytesIO(result._repr_png_()))
    assert levels(shown, result.image) == 0
    saved = result.save(tmp_path / "result.png")
    assert levels(Image.open(saved), result.image) == 0
    with pytest.raises(ValueError):
        result.save(tmp_path / "result.nonsense")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["result.png"]


# ---- back into the original -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("fit", ["pad", "crop", "stretch"])
def test_outside_the_mask_every_byte_is_the_originals(tryon, garment, mode, fit):
    original = picture(1, 150, 130).convert(mode)
    mask = Image.new("L", (130, 150))
    mask.paste(255, (40, 40, 90, 110))
    made = tryon(original, garment, mask, **{**FAST, "paste_back": True, "fit": fit, "feather": 2}).image
    assert (made.mode, made.size) == (original.mode, original.size)
    changed = (np.asarray(made) != np.asarray(original)).reshape(150, 130, -1).any(-1)
    assert changed[40:110, 40:90].mean() > 0.5
    changed[40 - 12 : 110 + 12, 40 - 12 : 90 + 12] = False  # six sigmas of the feather
    assert not changed.any()


def test_float_pictures_keep_their_own_values_outside_the_mask(tryon, garment, mask):
    exact = np.random.default_rng(0).random((64, 48, 3), np.float32)
    made = tryon(exact, garment, mask, **{**FAST, "paste_back": True, "feather": 0}).image
    kept = np.asarray(mask) == 0
    assert made.dtype == np.float32 and np.array_equal(made[kept], exact[kept])
    assert not np.array_equal(made[~kept], exact[~kept])


def test_the_models_own_picture_stays_at_hand(tryon, person, garment, mask):
    big = person.resize((96, 128))
    result = tryon(big, garment, mask.resize((96, 128)), **{**FAST, "paste_back": True})
    assert result.image.size == (96, 128) and result.plain.size == (48, 64)
    assert levels(result.plain, tryon(big, garment, mask.resize((96, 128)), **FAST).image) == 0


# ---- progress and cancelling ----------------------------------------------------------------------------------------


def test_the_callback_counts_over_the_whole_call(tryon, person, garment, mask):
    seen = []
    tryon([person] * 3, garment, mask, batch_size=2, callback=lambda *a: seen.append(a), **FAST)
    assert [(step, total) for step, total, _ in seen] == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [list(latents.shape) for *_, latents in seen] == [[2, 4, 64, 24]] * 2 + [[1, 4, 64, 24]] * 2


class Stop(BaseException):
    pass


@pytest.mark.parametrize("kind", [Stop, KeyboardInterrupt, SystemExit, ValueError, StopIteration])
def test_what_the_callback_raises_arrives_unchanged(tryon, person, garment, mask, kind):
    raised, steps = kind("enough"), []

    def callback(step, total, latents):
        steps.append(step)
        raise raised

    with pytest.raises(kind) as caught:
        tryon(person, garment, mask, callback=callback, **{**FAST, "steps": 20})
    assert caught.value is raised and steps == [1]


def test_threads_with_a_shared_model_do_not_disturb_each_other(tryon, person, garment, mask):
    want = [np.asarray(tryon(person, garment, mask, **{**FAST, "seed": seed}).image) for seed in range(4)]
    got = [None] * 4

    def work(seed):
        got[seed] = np.asarray(tryon(person, garment, mask, **{**FAST, "seed": seed}).image)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [levels(a, b) for a, b in zip(want, got, strict=True)] == [0] * 4


# ---- dtypes and devices ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_other_dtypes_are_near_float32(tryon, person, garment, mask, dtype):
    other = tryon.to(dtype=dtype)
    assert other.dtype == getattr(torch, dtype) and tryon.dtype == torch.float32
    near = np.asarray(other(person, garment, mask, **FAST).image, np.float32)
    exact = np.asarray(tryon(person, garment, mask, **FAST).image, np.float32)
    assert 0 < np.abs(near - exact).mean() < 4


def test_to_itself_is_itself(tryon):
    assert tryon.to("cpu", "float32") is tryon


def test_float16_overflow_is_told_not_shown(folder, person, garment, mask):
    model = load(folder / "masked", dtype="float16")
    model.vae.parameters["decoder.conv_in.weight"].mul_(1e6)  # past 65504, float16's largest number
    with pytest.raises(FloatingPointError, match="float16"):
        model(person, garment, mask, **FAST)


# ---- mistakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"height": 65}, ValueError, "multiple of 8, got 65"),
        ({"width": 0}, ValueError, "multiple of 8, got 0"),
        ({"height": 64.0}, TypeError, "height must be an integer, got 64.0"),
        ({"steps": 0}, ValueError, "steps must be 1 to 1000, got 0"),
        ({"steps": 1001}, ValueError, "steps must be 1 to 1000, got 1001"),
        ({"steps": 2.5}, TypeError, "steps must be an integer, got 2.5"),
        ({"guidance": -1}, ValueError, "guidance must be 0 or more"),
        ({"guidance": float("nan")}, ValueError, "guidance must be 0 or more"),
        ({"guidance": "high"}, TypeError, "guidance must be a number, got 'high'"),
        ({"eta": 1.5}, ValueError, "eta must be between 0"),
        ({"seed": -1}, ValueError, "seed must be 0 to"),
        ({"seed": 1.0}, TypeError, "seed must be an integer"),
        ({"fit": "squeeze"}, ValueError, "fit must be"),
        ({"feather": "soft"}, ValueError, "a length is a number of pixels or a percentage like '2%', got 'soft'"),
        ({"protect": "nowhere.png"}, FileNotFoundError, "nowhere.png"),
        ({"batch_size": 0}, ValueError, "batch_size must be 1 or more, got 0"),
        ({"noise": []}, ValueError, "give one of seed, generator and noise"),
        ({"seed": None, "noise": []}, ValueError, "0 tensors were given"),
        (
            {"seed": None, "noise": [torch.zeros(1, 4, 3, 3)]},
            ValueError,
            r"tensor 0 must have the shape \[1, 4, 32, 24\]",
        ),
        ({"person": "nowhere.png"}, FileNotFoundError, "nowhere.png"),
        ({"person": 7}, TypeError, "person: expected a path"),
        ({"mask": None}, ValueError, "masked model"),
        ({"mask": Image.new("L", (48, 64))}, ValueError, "mask is empty"),
        ({"garment": np.full((8, 8, 3), np.nan, np.float32)}, ValueError, "garment holds NaN"),
        ({"garment": np.full((8, 8, 3), -0.5, np.float32)}, ValueError, "garment: float values must lie in 0..1"),
        ({"garment": np.zeros((3, 8, 8), np.float32)}, ValueError, "looks like"),
    ],
)
def test_mistakes_are_named(tryon, person, garment, mask, change, error, message):
    call = {"person": person, "garment": garment, "mask": mask, **FAST, **change}
    with pytest.raises(error, match=message):
        tryon(**call)


def test_a_mask_of_another_size_is_resized_with_a_warning(tryon, person, garment, mask):
    with pytest.warns(UserWarning, match="96x128.*48x64"):
        resized = tryon(person, garment, mask.resize((96, 128), Image.Resampling.NEAREST), **FAST)
    assert levels(resized.image, tryon(person, garment, mask, **FAST).image) <= 40


@pytest.mark.parametrize("device", ["gpu", "cuda:7", 3.5])
def test_devices_that_are_not_there(folder, device):
    with pytest.raises(ValueError, match="there is cpu"):
        load(folder / "masked", device=device)


def test_a_dtype_that_is_none(folder):
    with pytest.raises(ValueError, match="float32, bfloat16, float16"):
        load(folder / "masked", dtype="int8")


def test_a_text_to_image_base_is_refused(folder, tmp_path):
    diffusers_unet(in_channels=4).save_pretrained(tmp_path / "unet")
    with pytest.raises(ValueError, match="4 input channels"):
        catvton.TryOn.load(unet=tmp_path / "unet", vae=folder / "masked" / "vae", device="cpu")


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(FileNotFoundError, match=str(tmp_path)):
        catvton.TryOn.load(tmp_path, device="cpu")


def test_poll_and_preview_reach_the_engine(tryon, pictures):
    polled, previews, steps = [], [], []
    tryon(
        pictures / "person.png",
        pictures / "garment.jpg",
        pictures / "mask.png",
        steps=2,
        height=64,
        width=48,
        poll=lambda: polled.append(len(steps)),
        preview=lambda latents: previews.append((len(steps), tuple(latents.shape))),
        callback=lambda step, *_: steps.append(step),
    )
    assert polled[0] == 0
    downscale = tryon.vae.config.downscale
    assert previews == [(done, (1, 4, 64 // downscale, 48 // downscale)) for done in (0, 1)]
