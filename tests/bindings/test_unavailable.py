"""`import catvton` always succeeds; what is missing is said at first use. Each case in an interpreter of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import catvton

PACKAGE = Path(catvton.__file__).parent
FIRST_USE = """
import catvton
from catvton._native import C, unavailable_reason
assert unavailable_reason() is not None
for use in (lambda: C.UNetConfig(), lambda: catvton.TryOn):
    try:
        use()
    except ImportError as error:
        assert str(error) == unavailable_reason()
    else:
        raise AssertionError("the first use succeeded")
print(unavailable_reason())
"""


@pytest.fixture
def package(tmp_path) -> Path:
    """A copy of the installed package in a folder of its own."""
    shutil.copytree(PACKAGE, tmp_path / "catvton", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "catvton"


def message_of_first_use(folder: Path) -> str:
    """`folder` comes first on sys.path, before what is installed."""
    code = f"import sys; sys.path.insert(0, {str(folder)!r})\n{FIRST_USE}"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def stub_torch(folder: Path, code: str) -> None:
    (folder / "torch").mkdir()
    (folder / "torch" / "__init__.py").write_text(code)


def test_without_torch(package):
    stub_torch(package.parent, "raise ModuleNotFoundError(\"No module named 'torch'\", name='torch')\n")
    message = message_of_first_use(package.parent)
    assert "needs torch >= 2.10" in message and "No module named 'torch'" in message and "pytorch.org" in message


@pytest.mark.parametrize("version", ["2.9.1", "2.9.1+cu128", "1.13.1", "2.9.0a0+git1234"])
def test_with_a_torch_that_is_too_old(package, version):
    stub_torch(package.parent, f"__version__ = {version!r}\n")
    message = message_of_first_use(package.parent)
    assert "needs torch >= 2.10" in message and f"this is torch {version}" in message


def test_with_a_torch_that_does_not_load(package):
    stub_torch(package.parent, "raise OSError('libcudart.so.13: cannot open shared object file')\n")
    message = message_of_first_use(package.parent)
    assert "importing torch failed" in message and "libcudart.so.13" in message


def test_with_a_broken_binary(package):
    (binary,) = package.glob("_C.*.so")
    binary.write_bytes(b"not a shared library")
    message = message_of_first_use(package.parent)
    assert "could not be loaded" in message and binary.name in message and "Reinstall" in message


def test_without_a_binary(package):
    """As from a wheel for another Python."""
    (binary,) = package.glob("_C.*.so")
    binary.rename(package / "_C.cpython-30-other.so")
    message = message_of_first_use(package.parent)
    assert f"no {binary.name} in {package}" in message and "Reinstall" in message


def test_available():
    """The same first use, undisturbed: the cases above fail for their reasons and for no other."""
    code = "from catvton._native import C, unavailable_reason; assert unavailable_reason() is None; C.UNetConfig()"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.anchor)
