"""install.py, as ComfyUI-Manager runs it, in an environment of its own that borrows this one's torch."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from clone import clone_into

ROOT = Path(__file__).resolve().parents[2]
WHEELS = sorted((ROOT / "build").rglob("catvton_native-*.whl"))


@pytest.fixture(scope="module")
def pack(tmp_path_factory):
    """The repository's own files, as `git clone` leaves them, in a folder of another name."""
    folder = tmp_path_factory.mktemp("custom_nodes") / "CatVTON (native)"
    clone_into(folder)
    return folder


def environment(folder, with_pip):
    venv.create(folder, with_pip=with_pip)
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


@pytest.fixture
def python(tmp_path):
    """An interpreter with pip and torch, and without catvton."""
    python = environment(tmp_path / "env", with_pip=True)
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True
    ).stdout.strip()
    borrowed = tmp_path / "borrowed"
    borrowed.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.lower().startswith(("catvton", "pip", "_distutils", "distutils")):
            (borrowed / path.name).symlink_to(path)
    Path(site, "borrowed.pth").write_text(f"{borrowed}\n")
    return python


def run(python, pack, *arguments, cwd, **environment):
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "CATVTON_WHEELS")}
    command = [python, pack / "install.py", *arguments]
    return subprocess.run(command, cwd=cwd, env=clean | environment, capture_output=True, text=True)


def installed(python):
    done = subprocess.run([python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.skipif(not WHEELS, reason="no wheel in build/: `make build` makes one")
def test_a_wheel_that_fits_is_installed_and_nothing_else_changes(python, pack, tmp_path):
    before = installed(python)
    folder = str(WHEELS[-1].parent)
    first = run(python, pack, cwd=tmp_path, CATVTON_WHEELS=folder)
    assert first.returncode == 0, first.stderr
    assert "installed a wheel" in first.stdout
    added = installed(python) - before
    assert before <= installed(python)
    assert [name.split("==")[0] for name in added] == ["catvton-native"]
    works = "from catvton._native import C; assert len(C.ddim_steps(C.DDIMConfig(), 5, 1.0)) == 5"
    subprocess.run([python, "-c", works], check=True, cwd=tmp_path)

    again = run(python, pack, cwd=tmp_path)  # without the wheels: nothing is left to do
    assert again.returncode == 0
    assert "already installed" in again.stdout


def test_without_a_compiler_it_says_what_is_missing_and_leaves_nothing(python, pack, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    before = installed(python)
    done = run(python, pack, cwd=tmp_path, PATH=str(empty))
    assert done.returncode == 1
    assert "a C++ compiler, OpenCV's headers is missing" in done.stderr
    assert "apt install" in done.stderr or sys.platform != "linux"
    assert installed(python) == before


def test_without_torch_it_says_with_which_python_to_run_it(pack, tmp_path):
    done = run(environment(tmp_path / "bare", with_pip=False), pack, cwd=tmp_path)
    assert done.returncode == 1
    assert "has no torch. Run this with the Python that runs ComfyUI" in done.stderr
