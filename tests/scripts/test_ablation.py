"""The ablation, every stage of it, at a size that teaches nothing; stopped on the way."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from catvton._native import C
from catvton.train.export import save_vae
from catvton.train.networks import fresh_vae, small_vae

pytest.importorskip("skimage", reason="scikit-image is not installed (pip install catvton-native[evaluate])")
SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "ablation.py"


def ablate(out, *more):
    plain = f"--out {out} --size 64x48 --samples 4 --batch-size 2 --cases 2 --threads 1 --device cpu --save-every 1"
    command = [sys.executable, str(SCRIPT), *plain.split(), *map(str, more)]
    return subprocess.run(command, capture_output=True, text=True)


def test_it_is_stopped_and_goes_on_to_a_table(tmp_path):
    save_vae(C.VAE(fresh_vae(small_vae(), 0), small_vae()), tmp_path / "vae", 1.0)
    out = tmp_path / "out"
    recipe = ("--vae", tmp_path / "vae", "--steps", 1)
    stopped = ablate(out, *recipe, "--base-steps", 1, "--minutes", 0.01)  # less than it takes to start
    assert stopped.returncode == 1 and "run this again to go on" in stopped.stderr, stopped.stderr
    assert not (out / "ablation.json").exists()
    bases = ablate(out, *recipe, "--base-steps", 1, 2, "--train", "attention")
    assert bases.returncode == 0, bases.stderr
    rows = json.loads((out / "ablation.json").read_text())["rows"]
    assert [(row["base"], row["trained"]) for row in rows] == [("base-1", "attention"), ("base-2", "attention")]
    done = ablate(out, *recipe, "--base-steps", 1, "--train", "none", "attention", "joint")
    assert done.returncode == 0, done.stderr
    rows = json.loads((out / "ablation.json").read_text())["rows"]
    assert [(row["base"], row["trained"], row["steps"]) for row in rows] == [
        ("base-1", "none", 1), ("base-1", "attention", 1), ("", "joint", 2),
    ]  # fmt: skip
    none, attention, joint = rows
    assert none["parameters"] == 0 < attention["parameters"] < joint["parameters"]
    assert joint["parameters"] == sum(counts(out / "base-1-joint" / "unet" / "diffusion_pytorch_model.safetensors"))
    assert attention["parameters"] == sum(counts(out / "base-1-attention" / "attention" / "model.safetensors"))
    for row in rows:
        assert 0 < row["scores"]["ssim"] < 1 and row["scores"]["cases"] == 2
        assert ("peak_bytes" in row) == ("seconds_per_step" in row) == (row["trained"] != "none")
    assert attention["peak_bytes"] > 100e6
    table = (out / "ablation.md").read_text()
    assert table.count("\n") == 2 + len(rows) and f"| base-1 | attention | {attention['parameters']:,} |" in table


def counts(file):
    """The numbers of elements that the header of a safetensors file names."""
    raw = file.read_bytes()
    header = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            yield (end - begin) // {"F32": 4, "F16": 2}[entry["dtype"]]


def test_joint_needs_a_base_that_is_made_here(tmp_path):
    done = ablate(tmp_path, "--base", tmp_path, "--train", "joint")
    assert done.returncode == 2 and "give --vae instead of --base" in done.stderr
