"""`make demo`'s script, on made-up weights: one picture, and what it says."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import synthetic_weights
from catvton import weights
from catvton.data import wardrobe

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "demo.py"


def run(*arguments):
    return subprocess.run([sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True)


def test_a_row_a_person(tmp_path):
    models = synthetic_weights.write(tmp_path / "models", tiny=True)
    from safetensors.torch import load_file, save_file

    file = models / "unet" / "diffusion_pytorch_model.safetensors"
    save_file(load_file(file), file, metadata={"catvton.size": "64x48"})
    done = run("--models", models, "--people", 2, "--steps", 1, "--out", tmp_path / "made" / "demo.png")
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "made" / "demo.png") in done.stdout
    assert "time: " in done.stdout and "memory: " in done.stdout
    sheet = Image.open(tmp_path / "made" / "demo.png")
    assert sheet.size == (5 * (96 + 6) + 6, 26 + 2 * (128 + 6))
    person = wardrobe.case(0, 1, "test").scene((64, 48)).image.resize((96, 128), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(np.array(sheet.crop((6, 26 + 134, 102, 26 + 134 + 128))), np.array(person))


@pytest.mark.skipif(weights.has_built_in(), reason="this build has a demo model")
def test_without_a_demo_model_it_says_what_to_do():
    done = run()
    assert done.returncode == 2 and "holds no demo model" in done.stderr and "make demo-full" in done.stderr
    assert "Traceback" not in done.stderr
