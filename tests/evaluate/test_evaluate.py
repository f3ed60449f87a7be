"""The command on a model of its own, stopped in the middle."""

import json

import pytest
import torch

from catvton._native import C
from catvton.evaluate.cli import main
from catvton.train.export import save_scheduler, save_unet, save_vae
from catvton.train.networks import fresh_unet, fresh_vae, small_unet, small_vae

pytest.importorskip("skimage", reason="scikit-image is not installed (pip install catvton-native[evaluate])")


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save_unet(C.UNet(fresh_unet(small_unet(), 0), small_unet()), folder / "unet")
    save_vae(C.VAE(fresh_vae(small_vae(), 0), small_vae()), folder / "vae", 1.0)
    save_scheduler(C.DDIMConfig(), folder / "scheduler")
    return folder


def evaluate(model, out, *more):
    plain = f"--model {model} --out {out} --size 64x48 --count 3 --steps 2 --threads 1 --device cpu --quiet"
    return main([*plain.split(), *more])


def test_an_evaluation_is_completed_not_repeated(model, tmp_path, capsys):
    assert evaluate(model, tmp_path) == 0
    first = json.loads((tmp_path / "metrics.json").read_text())
    assert first["cases"] == 3 and 0 < first["ssim"] < 1 and first["colour"] > 0
    assert "ssim" in capsys.readouterr().out
    results = tmp_path / "results"
    kept, again = results / "00000.png", results / "00002.png"
    before, content = kept.stat().st_mtime_ns, again.read_bytes()
    again.unlink()
    assert evaluate(model, tmp_path) == 0
    assert kept.stat().st_mtime_ns == before
    assert again.read_bytes() == content
    assert json.loads((tmp_path / "metrics.json").read_text()) == first


def test_results_of_other_settings_are_not_mixed(model, tmp_path, capsys):
    assert evaluate(model, tmp_path) == 0
    assert evaluate(model, tmp_path, "--guidance", "2") == 2
    assert "guidance was 1.0, is 2.0" in capsys.readouterr().err


def test_outside_the_mask_the_person_stays(model, tmp_path):
    import numpy as np
    from PIL import Image

    from catvton.train.samples import Wardrobe

    assert evaluate(model, tmp_path, "--count", "1") == 0
    case = Wardrobe(1, (64, 48), split="test").tryon_case(0)
    result = torch.from_numpy(np.array(Image.open(tmp_path / "results" / "00000.png"))).permute(2, 0, 1)
    outside = case["mask"].expand(3, -1, -1) == 0
    assert torch.equal(result[outside], case["person"][outside])
