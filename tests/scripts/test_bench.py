"""The benchmark runs, compares like with like (it refuses to time results that differ), and writes what it found."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("diffusers")

from catvton._native import C
from support import HAS_BFLOAT16

BENCH = Path(__file__).parents[2] / "scripts" / "bench"


def run(*arguments):
    return subprocess.run([sys.executable, str(BENCH), *map(str, arguments)], capture_output=True, text=True)


def test_quick(tmp_path):
    done = run("--quick", "--threads", 1, "--out", tmp_path / "bench.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "bench.json").read_text())
    assert found["machine"]["threads"] == 1
    has_int8 = C.int8.works()
    there = {"float32": True, "bfloat16": HAS_BFLOAT16, "int8": has_int8}
    assert set(found["peaks"]) == {name for name, is_there in there.items() if is_there}
    assert found["copied"] > 0
    peers = [row["peer"] for row in found["rows"]]
    assert peers.count("diffusers") == 2 and peers.count("Pillow") == 3 and "reading the file" in peers
    assert peers.count("ours, float32") == (4 if has_int8 else 0)
    names = " ".join(row["what"] for row in found["rows"])
    assert all(layer in names for layer in ("attention:", "3x3 convolution:", "upsampling", "linear:"))
    for row in found["rows"]:
        assert all(math.isfinite(row[name]) and row[name] > 0 for name in ("ours", "theirs", "ratio"))
        assert row["spread"][0] <= row["ratio"] <= row["spread"][1]
        assert row["what"] in (tmp_path / "bench.txt").read_text()


def test_quick_and_full_exclude_each_other():
    done = run("--quick", "--full")
    assert done.returncode == 2 and "not allowed with" in done.stderr
