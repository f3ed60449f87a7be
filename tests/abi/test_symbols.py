"""The native module asks of torch only what the stable ABI of torch 2.10 promises: read from the binary itself."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from catvton._native import C

NAMES_OF_2_10 = Path(__file__).with_name("torch_2_10_names.txt")
# Lives in libtorch_cuda, so it is asked for weakly: null on a CPU build of torch.
WEAK = {"aoti_torch_get_current_cuda_stream"}

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="reads ELF files"),
    pytest.mark.skipif(not (shutil.which("nm") and shutil.which("readelf")), reason="needs nm and readelf (binutils)"),
]


def output_of(*command: object) -> str:
    return subprocess.run([str(part) for part in command], check=True, capture_output=True, text=True).stdout


def dynamic_symbols(file: Path, which: str) -> list[tuple[str, str]]:
    """(kind, name) of each dynamic symbol, the name without its version."""
    lines = (line.split() for line in output_of("nm", "-D", which, file).splitlines())
    return [(words[-2], words[-1].split("@")[0]) for words in lines]


def torch_names_in(text: str) -> set[str]:
    return set(re.findall(r"^(?:aoti_)?torch_(?!(?:cpu|cuda|xpu|mps)_)\w+$", text, re.MULTILINE))


@pytest.fixture(scope="module")
def binary() -> Path:
    return Path(C.__file__)


@pytest.fixture(scope="module")
def undefined(binary) -> list[tuple[str, str]]:
    return dynamic_symbols(binary, "--undefined-only")


@pytest.fixture(scope="module")
def needed(binary) -> list[str]:
    return re.findall(r"\(NEEDED\).*\[(.*)\]", output_of("readelf", "-d", binary))


def test_no_cpp_name_of_torch_is_imported(undefined):
    mangled = "\n".join(name for _, name in undefined)
    readable = subprocess.run(["c++filt"], input=mangled, check=True, capture_output=True, text=True).stdout
    assert not re.findall(r"^.*\b(?:at|c10|torch|caffe2)::.*$", readable, re.MULTILINE)


def test_only_names_that_torch_2_10_has_are_imported(undefined):
    strong = {name for kind, name in undefined if "torch" in name and kind == "U"}
    weak = {name for kind, name in undefined if "torch" in name and kind != "U"}
    assert "torch_call_dispatcher" in strong  # the list was read at all
    assert strong <= torch_names_in(NAMES_OF_2_10.read_text())
    assert weak <= WEAK


def test_the_list_of_names_is_torch_2_10s():
    if torch.__version__.split("+")[0] != "2.10.0":
        pytest.skip(f"this is torch {torch.__version__}, the list is 2.10.0's")
    library = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    exported = "\n".join(name for _, name in dynamic_symbols(library, "--defined-only"))
    assert torch_names_in(NAMES_OF_2_10.read_text()) == torch_names_in(exported)


def test_no_cuda_library_is_needed(needed):
    assert "libtorch_cpu.so" in needed
    assert not [name for name in needed if re.search(r"cuda|cudart|cublas|cudnn|nvrtc|c10", name)]


def test_no_folder_of_the_build_machine_is_searched(binary):
    assert not re.search(r"\((?:RPATH|RUNPATH)\)", output_of("readelf", "-d", binary))


def test_nothing_of_ours_or_of_libraries_inside_is_exported(binary):
    """Another pybind11 module or OpenCV in the same process must not meet our symbols."""
    names = [name for _, name in dynamic_symbols(binary, "--defined-only")]
    assert "PyInit__C" in names
    assert not [name for name in names if re.match(r"_ZNK?(2cv|8pybind11|7catvton)", name)]
