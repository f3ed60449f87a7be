"""The demo model's recipe, every stage of it, at a size that teaches nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("skimage", reason="scikit-image is not installed (pip install catvton-native[evaluate])")
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "demo_model.py"


def make(out, *more):
    steps = "--vae-steps 2 --unet-steps 1 --attention-steps 1 --decoder-steps 1"
    plain = f"--out {out} --samples 4 {steps} --cases 1 --threads 1"
    command = [sys.executable, str(SCRIPT), *plain.split(), "--device", "cpu", *more]
    return subprocess.run(command, capture_output=True, text=True)


def test_the_gate_stops_and_the_recipe_goes_on_to_a_model(tmp_path):
    gated = make(tmp_path)
    assert gated.returncode == 1 and "the VAE missed the gate" in gated.stdout, gated.stderr
    assert not (tmp_path / "unet").exists()
    done = make(tmp_path, "--ignore-gate")
    assert done.returncode == 0, done.stderr
    files = {str(p.relative_to(tmp_path / "model")) for p in (tmp_path / "model").rglob("*") if p.is_file()}
    weights = {
        f"{part}/{name}" for part in ("unet", "vae") for name in ("config.json", "diffusion_pytorch_model.safetensors")
    }
    assert files == weights | {"scheduler/scheduler_config.json"}
    assert sum((tmp_path / "model" / name).stat().st_size for name in files) < 16e6
    assert json.loads((tmp_path / "evaluation" / "metrics.json").read_text())["cases"] == 1
