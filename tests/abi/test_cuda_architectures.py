"""The binary holds machine code for every architecture that it was built for, and PTX of the newest for later cards."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from catvton._native import C

ARCHITECTURES = C.__cuda_architectures__.split()

pytestmark = pytest.mark.skipif(not ARCHITECTURES, reason="built without CUDA kernels")


@pytest.fixture(scope="module")
def cuobjdump() -> str:
    """NVIDIA's tool, from the CUDA toolkit or as Triton brings it."""
    triton = find_spec("triton")
    beside = (
        [str(Path(place) / "backends" / "nvidia" / "bin") for place in triton.submodule_search_locations]
        if triton
        else []
    )
    found = shutil.which("cuobjdump") or shutil.which("cuobjdump", path=":".join(beside))
    return found or pytest.skip("needs cuobjdump, of the CUDA toolkit or of Triton")


def listed(cuobjdump: str, what: str) -> list[str]:
    """The architecture of every piece of code of that kind."""
    done = subprocess.run([cuobjdump, what, C.__file__], check=True, capture_output=True, text=True)
    return re.findall(r"\.sm_(\d+)a?\.", done.stdout)


def test_machine_code_for_every_architecture(cuobjdump):
    wanted = {name.removesuffix("-real") for name in ARCHITECTURES if not name.endswith("-virtual")}
    found = listed(cuobjdump, "--list-elf")
    assert set(found) == wanted
    counts = {found.count(name) for name in wanted}
    assert len(counts) == 1  # every source file for each of them


def test_ptx_of_the_newest(cuobjdump):
    newest = ARCHITECTURES[-1]
    assert not newest.endswith("-real")
    assert set(listed(cuobjdump, "--list-ptx")) == {newest.removesuffix("-virtual")}
