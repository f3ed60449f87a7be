"""catvton outfit, as a user runs it, against the Python call."""

import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402

from catvton import TryOn  # noqa: E402
from catvton.cli import main  # noqa: E402
from catvton.data.wardrobe import Outfit, Person, draw  # noqa: E402

QUICK = ["--steps", "1", "--size", "64x48", "--device", "cpu", "--dtype", "float32", "--seed", "5"]


@pytest.fixture
def person(tmp_path, pictures, monkeypatch):
    """me.png with its label maps beside it, a mask and two garments, in the current folder."""
    scene = draw(Person.sample(3, "full"), Outfit.sample(3), (100, 80))
    scene.image.save(tmp_path / "me.png")
    for name in ("atr", "lip", "densepose"):
        Image.fromarray(getattr(scene, name)).save(tmp_path / f"me.{name}.png")
    for name in ("mask.png", "garment.jpg"):
        (tmp_path / name).write_bytes((pictures / name).read_bytes())
    Image.new("RGB", (40, 60), "green").save(tmp_path / "skirt.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def maps():
    return {name: f"me.{name}.png" for name in ("atr", "lip", "densepose")}


def test_label_maps_beside_the_person(person, models, capsys):
    command = ["outfit", "me.png", "--upper", "garment.jpg", "--lower", "skirt.png", "--models", str(models), *QUICK]
    assert main(command) == 0
    assert re.match(r"result\.png: .* s, peak memory", capsys.readouterr().out)
    tryon = TryOn.load(models, device="cpu", dtype="float32")
    options = {"steps": 1, "height": 64, "width": 48, "seed": 5}
    expected = tryon.outfit("me.png", upper="garment.jpg", lower="skirt.png", **maps(), **options)
    np.testing.assert_array_equal(np.array(Image.open("result.png")), np.array(expected.image))


def test_masks_of_ones_own(person, models):
    masks = ["--mask-upper", "mask.png", "--mask-lower", "mask.png"]
    garments = ["--upper", "garment.jpg", "--lower", "skirt.png"]
    for path in person.glob("me.*.png"):
        path.unlink()
    command = ["outfit", "me.png", *garments, *masks, "--models", str(models), "-o", "a/b.png", *QUICK]
    assert main(command) == 0
    tryon = TryOn.load(models, device="cpu", dtype="float32")
    expected = tryon.outfit(
        "me.png", upper="garment.jpg", lower="skirt.png", masks={"upper": "mask.png", "lower": "mask.png"},
        steps=1, height=64, width=48, seed=5,
    )  # fmt: skip
    np.testing.assert_array_equal(np.array(Image.open("a/b.png")), np.array(expected.image))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "no garment is given.*--upper"),
        (["--upper", "nothing.png"], "upper: there is no file nothing.png"),
        (["--upper", "garment.jpg", "--mask-upper", "nothing.png"], "mask-upper: there is no file"),
        (["--upper", "garment.jpg", "--atr", "nothing.png"], "atr: there is no file"),
        (["--upper", "garment.jpg", "--mask-lower", "mask.png"], "masks has lower"),
        (["--upper", "garment.jpg", "--dress", "skirt.png"], "dress= takes the place of upper"),
        (["--upper", "garment.jpg", "-o", "me.png"], "one of the pictures to read"),
        (["--upper", "garment.jpg", "-o", "result.txt"], "no picture format"),
        (["--upper", "garment.jpg", "--feather", "wide"], "wide"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(person, models, capsys, arguments, message):
    assert main(["outfit", "me.png", *arguments, "--models", str(models), *QUICK]) == 2
    assert re.search(message, capsys.readouterr().err)
    assert not (person / "result.png").exists()


def test_without_maps_or_mask_a_masked_model_asks_for_them(person, models, capsys):
    for path in person.glob("me.*.png"):
        path.unlink()
    assert main(["outfit", "me.png", "--upper", "garment.jpg", "--models", str(models), *QUICK]) == 2
    assert "no mask for upper" in capsys.readouterr().err


def test_which_models(person, capsys):
    assert main(["outfit", "me.png", "--upper", "garment.jpg"]) == 2
    assert "--models demo is built in" in capsys.readouterr().err
