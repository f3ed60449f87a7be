"""The binary holds machine code for every architecture that it was built for, and PTX of the newest for later cards;
and building again builds for the same ones."""

from __future__ import annotations

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from catvton._native import C

ARCHITECTURES = C.__cuda_architectures__.split()

built_with_kernels = pytest.mark.skipif(not ARCHITECTURES, reason="built without CUDA kernels")
SOURCE = Path(__file__).resolve().parents[2]


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


@built_with_kernels
def test_machine_code_for_every_architecture(cuobjdump):
    wanted = {name.removesuffix("-real") for name in ARCHITECTURES if not name.endswith("-virtual")}
    found = listed(cuobjdump, "--list-elf")
    assert set(found) == wanted
    counts = {found.count(name) for name in wanted}
    assert len(counts) == 1  # every source file for each of them


@built_with_kernels
def test_ptx_of_the_newest(cuobjdump):
    newest = ARCHITECTURES[-1]
    assert not newest.endswith("-real")
    assert set(listed(cuobjdump, "--list-ptx")) == {newest.removesuffix("-virtual")}


PROJECT = """
cmake_minimum_required(VERSION 3.24)
project(kernels LANGUAGES CXX)
include({source}/cmake/cuda.cmake)
message(STATUS "built for: ${{CATVTON_CUDA_BUILT_FOR}}")
"""


def test_a_second_configuration_is_for_the_same_architectures(tmp_path):
    """CMake puts nvcc's default among its cached settings; it must not be taken for the user's wish."""
    if not shutil.which("nvcc") or not shutil.which("cmake") or not shutil.which("ninja"):
        pytest.skip("needs nvcc, cmake and ninja")
    (tmp_path / "cpp").mkdir()
    (tmp_path / "cpp" / "nothing.cu").touch()
    (tmp_path / "CMakeLists.txt").write_text(PROJECT.format(source=SOURCE.as_posix()))

    def built_for(*settings: str) -> str:
        configure = ["cmake", "-G", "Ninja", "-S", tmp_path, "-B", tmp_path / "build", *settings]
        done = subprocess.run(configure, check=True, capture_output=True, text=True)
        return re.search("built for: (.*)", done.stdout)[1]

    first = built_for("-DCATVTON_CUDA=ON")
    assert len(first.split()) >= 5
    assert built_for() == first
    assert built_for("-DCATVTON_CUDA_ARCHITECTURES=80-real;90") == "80-real 90"
