"""The benchmark runs, compares like with like (it refuses to time results that differ), and writes what it found."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("diffusers")

from support import HAS_BFLOAT16

BENCH = Path(__file__).parents[2] / "scripts" / "bench"


def run(*arguments):
    return subprocess.run([sys.executable, str(BENCH), *map(str, arguments)], capture_output=True, text=True)


def test_quick(tmp_path):
    done = run("--quick", "--threads", 1, "--out", tmp_path / "bench.json")
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "bench.json").read_text())
    assert found["machine"]["threads"] == 1
    assert set(found["peaks"]) == {"float32", "bfloat16"} - (set() if HAS_BFLOAT16 else {"bfloat16"})
    peers = [row["peer"] for row in found["rows"]]
    assert peers.count("diffusers") == 2 and peers.count("Pillow") == 3 and "reading the file" in peers
    for row in found["rows"]:
        assert all(math.isfinite(row[name]) and row[name] > 0 for name in ("ours", "theirs", "ratio"))
        assert row["spread"][0] <= row["ratio"] <= row["spread"][1]
        assert row["what"] in (tmp_path / "bench.txt").read_text()


def test_quick_and_full_exclude_each_other():
    done = run("--quick", "--full")
    assert done.returncode == 2 and "not allowed with" in done.stderr
