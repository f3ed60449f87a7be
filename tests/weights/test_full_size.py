"""The published model's size: 899 M parameters load within a bound of memory. 3.6 GB of disk while it runs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from catvton import weights
from catvton._native import C

TESTS = Path(__file__).resolve().parents[1]
NEEDED = 12 * 10**9  # bytes of free disk, and of free memory
MODEL_BYTES = 899_226_667 * 4


def run(script, *arguments):
    paths = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, str(TESTS / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=os.environ | {"PYTHONPATH": paths})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def full_size(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    try:
        memory = Path("/proc/meminfo").read_text().split("MemAvailable:")[1].split()[0]
    except OSError:
        pytest.skip("measures memory through /proc")
    if shutil.disk_usage(folder).free < NEEDED or int(memory) * 1024 < NEEDED:
        pytest.skip(f"less than {NEEDED // 10**9} GB of disk or memory are free")
    run("synthetic_weights.py", folder / "catvton")
    yield folder / "catvton"
    shutil.rmtree(folder)


@pytest.mark.parametrize(
    "dtype, how, size",
    [
        ("float32", [], MODEL_BYTES),
        ("float16", [], MODEL_BYTES / 2),
        ("float32", ["pack"], MODEL_BYTES),
        ("float32", ["int8"], None),
    ],
)
def test_memory_while_loading(full_size, dtype, how, size, record_property):
    if "int8" in how and not C.int8.works():
        pytest.skip("no eight-bit products: a CPU without VNNI, or torch without oneDNN")
    measured = json.loads(run("weights/measure_load.py", full_size, dtype, *how))
    record_property("seconds", measured["seconds"])
    assert measured["parameters"] == [815_572_804, 83_653_863]
    assert measured["bytes"] == size or (size is None and measured["bytes"] < MODEL_BYTES / 2)
    assert measured["grown"] <= 1.15 * measured["bytes"] + 300e6


def test_inspect_gives_the_published_numbers(full_size):
    unet = weights.inspect(full_size / "unet" / "diffusion_pytorch_model.safetensors")
    vae = weights.inspect(full_size / "vae" / "diffusion_pytorch_model.safetensors")
    attention = weights.inspect(full_size / "mix-48k-1024" / "attention" / "model.safetensors")
    assert (unet.unet_parameters, unet.attention_parameters) == (815_572_804, 49_574_080)
    assert vae.vae_parameters == 83_653_863
    assert (attention.attention_parameters, attention.tensors) == (49_574_080, 80)
    assert attention.path.stat().st_size == 198_303_368
