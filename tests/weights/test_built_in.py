"""The model that comes with the package: its name means it, and nothing else does. And the size that files tell."""

import shutil
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file, save_file

from catvton import TryOn, weights
from catvton.cli import main
from catvton.weights import built_in

WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture
def shipped(tiny, tmp_path, monkeypatch):
    """The tiny model in the place of the built-in one."""
    folder = shutil.copytree(tiny, tmp_path / "package" / "demo")
    monkeypatch.setattr(built_in, "_FOLDER", folder)
    monkeypatch.chdir(tmp_path)
    return folder


def half_white(size):
    mask = Image.new("L", size, 0)
    mask.paste(255, (0, 0, size[0], size[1] // 2))
    return mask


def name_size(file, text):
    save_file(load_file(file), file, metadata={"format": "pt", "catvton.size": text})


def test_the_name_is_the_built_in_model_and_a_path_is_a_folder(shipped, tmp_path):
    assert weights.has_built_in()
    assert weights.model_folder("demo") == shipped
    assert weights.find("demo").unet == shipped / "unet"
    assert TryOn.load("demo", device="meta").masked
    mine = shutil.copytree(shipped, tmp_path / "demo")
    assert weights.find("demo").unet == shipped / "unet"
    for folder in ("./demo", Path("demo"), str(mine), mine):
        assert weights.find(folder).unet.resolve() == mine / "unet"


def test_a_build_without_it_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(built_in, "_FOLDER", tmp_path / "absent")
    assert not weights.has_built_in()
    for load in (TryOn.load, weights.find):
        with pytest.raises(FileNotFoundError, match=r"holds no demo model(.|\n)*make demo-model(.|\n)*'\./demo'"):
            load("demo")
    assert main(["info", "demo"]) == 2
    assert "holds no demo model" in capsys.readouterr().err


def test_info_and_tryon_take_the_name(shipped, tmp_path, capsys):
    name_size(shipped / "mix-48k-1024" / "attention" / "model.safetensors", "64x48")
    assert main(["info", "demo"]) == 0
    shown = capsys.readouterr().out
    assert str(shipped / "unet") in shown and "pictures of 64x48" in shown and "Apache-2.0" in shown
    assert "CC BY-NC-SA" not in shown
    Image.new("RGB", (48, 64), "red").save(tmp_path / "person.png")
    half_white((48, 64)).save(tmp_path / "mask.png")
    command = "tryon person.png person.png --mask mask.png --models demo --steps 1 --device cpu --no-paste-back"
    assert main(command.split()) == 0
    assert Image.open(tmp_path / "result.png").size == (48, 64)


class TestNativeSize:
    def test_the_published_files_say_nothing(self, tiny):
        assert weights.native_size(weights.find(tiny)) == (1024, 768)
        assert TryOn.load(tiny, device="meta").native_size == (1024, 768)

    def test_of_the_attention_before_that_of_the_unet(self, shipped):
        name_size(shipped / "unet" / WEIGHTS, "128x96")
        files = weights.find(shipped)
        assert weights.native_size(files) == (128, 96)
        name_size(files.attention, "64x48")
        assert weights.native_size(files) == (64, 48)
        tryon = TryOn.load(shipped, device="cpu")
        assert tryon.native_size == tryon.to(dtype="bfloat16").native_size == (64, 48)

    @pytest.mark.parametrize("text", ["64", "64x", "0x48", "-8x8", "64x50", "sixty"])
    def test_a_size_that_is_none_is_refused(self, shipped, text):
        name_size(shipped / "unet" / WEIGHTS, text)
        with pytest.raises(weights.WeightsError, match=rf"{WEIGHTS}: catvton.size = '{text}'"):
            TryOn.load(shipped)

    def test_a_call_works_at_it_unless_told_otherwise(self, shipped):
        name_size(shipped / "unet" / WEIGHTS, "64x48")
        tryon = TryOn.load(shipped, device="cpu")
        picture, mask = Image.new("RGB", (96, 128)), half_white((96, 128))
        assert tryon(picture, picture, mask, steps=1).plain.size == (48, 64)
        assert tryon(picture, picture, mask, steps=1, height=32, width=24).plain.size == (24, 32)
        assert tryon(picture, picture, mask, steps=1, height=32).plain.size == (48, 32)


@pytest.mark.skipif(not weights.has_built_in(), reason="this build has no demo model (scripts/pack_demo_model.py)")
class TestShipped:
    """The model as it is shipped, whatever its quality."""

    def test_it_loads_and_is_small(self):
        folder = weights.model_folder("demo")
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= 16 * 2**20
        tryon = TryOn.load("demo", device="meta")
        assert tryon.masked and tryon.native_size != (1024, 768)
        for part in ("unet/config.json", "vae/config.json", "README.md", "training.json"):
            assert (folder / part).is_file()

    def test_it_tries_on(self):
        from catvton.data import wardrobe

        tryon = TryOn.load("demo", device="cpu")
        case = wardrobe.case(1, 0, "test")
        scene = case.scene(tryon.native_size)
        mask = scene.agnostic_mask("upper")
        result = tryon(scene.image, case.other.flat(tryon.native_size), mask, steps=2, seed=0)
        assert result.image.size == scene.image.size
