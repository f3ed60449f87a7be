"""The command on a model of its own, stopped in the middle."""

import json

import numpy as np
import pytest
from PIL import Image

from catvton import TryOn
from catvton._native import C
from catvton.data.wardrobe import case
from catvton.data.wardrobe.dataset import Job, write
from catvton.evaluate.cases import PAIRINGS, cases_of
from catvton.evaluate.cli import main
from catvton.presets import PRESETS
from catvton.train.export import save_scheduler, save_unet, save_vae
from catvton.train.networks import fresh_unet, fresh_vae, small_unet, small_vae
from catvton.train.samples import Wardrobe
from catvton.train.sheets import pixels

pytest.importorskip("skimage", reason="scikit-image is not installed (pip install catvton-native[evaluate])")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save_unet(C.UNet(fresh_unet(small_unet(), 0), small_unet()), folder / "unet")
    save_vae(C.VAE(fresh_vae(small_vae(), 0), small_vae()), folder / "vae", 1.0)
    save_scheduler(C.DDIMConfig(), folder / "scheduler")
    return folder


def evaluate(model, out, *more):
    plain = f"--model {model} --out {out} --size 64x48 --count 2 --steps 1 --threads 1 --device cpu --quiet"
    return main([*plain.split(), *more])


def test_an_evaluation_is_completed_not_repeated(model, tmp_path, capsys):
    assert evaluate(model, tmp_path) == 0
    first = json.loads((tmp_path / "metrics.json").read_text())
    assert first["cases"] == 4 and set(PAIRINGS) < set(first)
    for pairing in PAIRINGS:
        for picture in ("pasted_back", "own_picture"):
            found = first[pairing][picture]
            assert found["cases"] == 2 and 0 < found["ssim"] < 1 and found["colour"] > 0
        assert first[pairing]["pasted_back"]["psnr"] > first[pairing]["own_picture"]["psnr"]
        assert sum(kind["cases"] for kind in first[pairing]["by_fabric"].values()) == 2
    assert "swap" in first["unpaired"]["pasted_back"] and "swap" not in first["paired"]["pasted_back"]
    shown = capsys.readouterr().out
    assert "unpaired, pasted back" in shown and "paired, own picture" in shown and "texture agreement" in shown
    results = tmp_path / "unpaired" / "results"
    kept, again = results / "00000.png", results / "00001.png"
    before, content = kept.stat().st_mtime_ns, again.read_bytes()
    again.unlink()
    assert evaluate(model, tmp_path) == 0
    assert kept.stat().st_mtime_ns == before
    assert again.read_bytes() == content
    assert json.loads((tmp_path / "metrics.json").read_text()) == first


def test_results_of_other_settings_are_not_mixed(model, tmp_path, capsys):
    assert evaluate(model, tmp_path, "--pairing", "unpaired") == 0
    assert evaluate(model, tmp_path, "--pairing", "unpaired", "--guidance", "2") == 2
    assert "guidance was 1.0, is 2.0" in capsys.readouterr().err


def test_presets_and_approximations(model, tmp_path, capsys):
    def run(out, *more):
        assert evaluate(model, tmp_path / out, "--pairing", "unpaired", "--count", "1", *more) == 0
        return json.loads((tmp_path / out / "metrics.json").read_text())

    assert run("turbo", "--preset", "turbo").items() >= {"guidance": PRESETS["turbo"].guidance, "steps": 1}.items()
    found = run("plain")
    assert found.items() >= {"solver": "ddim", "guidance": 1.0, "cache_interval": 1}.items()

    # A folder of before there were such options is gone on with.
    note = tmp_path / "plain" / "unpaired" / "settings.json"
    old = json.loads(note.read_text())
    note.write_text(json.dumps({name: old[name] for name in ("model", "data", "steps", "guidance", "seed")}))
    assert run("plain") == found
    other = ["--pairing", "unpaired", "--count", "1", "--cache-interval", "2", "--token-downsampling", "3"]
    assert evaluate(model, tmp_path / "plain", *other) == 2
    assert "cache_interval was 1, is 2; token_downsampling was 1, is 3" in capsys.readouterr().err


def test_the_pictures_are_the_engines(model, tmp_path):
    """Kept as the model made them; what is measured as pasted back is the person outside the mask."""
    assert evaluate(model, tmp_path, "--count", "1", "--pairing", "unpaired", "--grid", "1") == 0
    case = Wardrobe(1, (64, 48), split="test").tryon_case(0)
    person, garment, truth = (pixels(case[name]) for name in ("person", "garment", "truth"))
    mask = case["mask"].numpy()[0] > 0
    tryon = TryOn.load(model, device="cpu", dtype="float32")
    white = Image.fromarray(mask.astype(np.uint8) * 255)
    options = {"steps": 1, "guidance": 1.0, "seed": 0, "height": 64, "width": 48}
    expected = tryon(Image.fromarray(person), Image.fromarray(garment), white, **options)
    own = np.array(Image.open(tmp_path / "unpaired" / "results" / "00000.png"))
    assert np.abs(own.astype(int) - np.array(expected.plain)).max() <= 1
    row = np.array(Image.open(tmp_path / "grid.png"))
    assert row.shape == (64, 5 * 48, 3)
    np.testing.assert_array_equal(row[:, :48], person)
    np.testing.assert_array_equal(row[:, -48:], truth)
    np.testing.assert_array_equal(row[:, 144:192], np.where(mask[..., None], own, person))


def test_the_grid_is_drawn_from_all_cases(model, tmp_path, capsys):
    def drawn(seed):
        assert (
            evaluate(model, tmp_path, "--count", "8", "--pairing", "unpaired", "--grid", "3", "--grid-seed", seed) == 0
        )
        return json.loads((tmp_path / "metrics.json").read_text())["grid"]["cases"]

    first = drawn("1")
    assert len(set(first)) == 3 and set(first) <= set(range(8)) and drawn("1") == first != drawn("2")
    assert evaluate(model, tmp_path, "--grid", "3") == 2
    assert "grid of 3 of 2 cases" in capsys.readouterr().err


def test_paired_cases_wear_what_they_try_on():
    cases = cases_of("wardrobe", "paired", (64, 48), 3, seed=4)
    drawn = [case(4, index, "test") for index in range(3)]
    assert [cases.fabric(i) for i in range(3)] == [one.garment.fabric.name for one in drawn]
    for index, one in enumerate(drawn):
        sample = cases[index]
        np.testing.assert_array_equal(pixels(sample["truth"]), np.array(one.scene((64, 48)).image))
        np.testing.assert_array_equal(pixels(sample["garment"]), np.array(one.garment.flat((64, 48))))
        area = one.scene((64, 48)).garment_area(one.garment)
        np.testing.assert_array_equal(sample["area"].numpy()[0] > 0, area)
    other = cases_of("wardrobe", "unpaired", (64, 48), 3, seed=4)
    assert [other.fabric(i) for i in range(3)] == [one.other.fabric.name for one in drawn]
    assert other.key != cases.key


@pytest.mark.parametrize("layout", ["viton-hd", "dresscode"])
def test_data_sets_on_disk(model, layout, tmp_path):
    write(Job(str(tmp_path / "data"), 2, (64, 48), layout), progress=False)
    out = tmp_path / "out"
    assert evaluate(model, out, "--data", str(tmp_path / "data"), "--count", "2") == 0
    report = json.loads((out / "metrics.json").read_text())
    assert report["paired"]["pasted_back"]["ssim"] > 0 and "by_fabric" not in report["paired"]
    assert report["unpaired"]["pasted_back"]["ssim"] > 0, "a drawn set knows the truth of unpaired cases"
    for path in tmp_path.rglob("truth"):
        path.rename(path.with_name("hidden"))
    assert evaluate(model, tmp_path / "real", "--data", str(tmp_path / "data"), "--count", "2") == 0
    report = json.loads((tmp_path / "real" / "metrics.json").read_text())
    assert report["unpaired"]["pasted_back"] == {"cases": 2} and report["paired"]["pasted_back"]["ssim"] > 0


def test_more_cases_than_there_are(model, tmp_path, capsys):
    write(Job(str(tmp_path / "data"), 2, (64, 48)), progress=False)
    assert evaluate(model, tmp_path / "out", "--data", str(tmp_path / "data"), "--count", "9") == 2
    assert "has 2 unpaired test cases, and 9 were asked for" in capsys.readouterr().err
