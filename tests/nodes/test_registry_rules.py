"""What comfy-cli checks by ruff before it publishes a pack: no exec, no eval, no two statements on a line."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACK = Path(__file__).resolve().parents[2]
INSTALLED = subprocess.run([sys.executable, "-m", "ruff", "--version"], capture_output=True).returncode == 0
pytestmark = pytest.mark.skipif(not (INSTALLED or shutil.which("ruff")), reason="ruff is not installed")


def check(*paths):
    ruff = [sys.executable, "-m", "ruff"] if INSTALLED else ["ruff"]
    command = [*ruff, "check", "--isolated", "--no-cache", "--output-format=concise", "--select=S102,S307,E702", *paths]
    return subprocess.run(command, capture_output=True, text=True)


def test_what_comfyui_imports_is_clean():
    done = check(PACK / "nodes", PACK / "__init__.py", PACK / "install.py")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_not_clean_is_found(tmp_path):
    (tmp_path / "bad.py").write_text("x = 1; y = 2\nexec('x')\neval('y')\n")
    done = check(tmp_path)
    assert done.returncode == 1
    assert all(rule in done.stdout for rule in ("S102", "S307", "E702"))
