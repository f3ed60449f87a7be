"""What may cross the boxed call is decided by the compiler: the wrong types would arrive as other numbers."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.skipif(torch.__version__ < "2.13", reason="building needs torch >= 2.13, running does not")

ROOT = Path(__file__).resolve().parents[2]
FIRST = 3  # line of the first call
BOXABLE = [
    "x",
    "OptionalTensor{x}",
    "OptionalTensor{}",
    "std::vector<Tensor>{x}",
    "int64_t{1}",
    "1.0",
    "true",
    'std::string("none")',
    "ScalarType::Float",
    "x.device()",
    "Ints{1, 2}",
    "std::optional<Ints>{Ints{1}}",
    "std::optional<double>{}",
    "std::vector<double>{1.0}",
]
NOT_BOXABLE = [
    "1",
    "1u",
    "short{1}",
    "'c'",
    "size_t{1}",
    "1.0f",
    '"none"',
    "(const char*)nullptr",
    "nullptr",
    "x.data_ptr()",
    "std::vector<int>{1}",
    "std::optional<float>{}",
]


def compiler() -> str:
    """The one that built the engine, where its build folder is still there; else the machine's."""
    caches = sorted(ROOT.glob("build/*/CMakeCache.txt"), key=lambda path: path.stat().st_mtime)
    for cache in reversed(caches):
        if (match := re.search(r"^CMAKE_CXX_COMPILER:\w+=(.+)$", cache.read_text(), re.M)) and Path(match[1]).is_file():
            found = match[1]
            break
    else:
        found = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
    if not found:
        pytest.skip("no C++ compiler: none in a build folder's CMakeCache.txt, no c++, g++ or clang++ on PATH")
    if Path(found).stem == "cl":
        pytest.skip("the test speaks the options of GCC and Clang, the compiler is MSVC")
    return found


def compile_calls(arguments: list[str], folder: Path) -> subprocess.CompletedProcess:
    """A source whose line FIRST + n calls with arguments[n]."""
    source, include = folder / "probe.cpp", Path(torch.__path__[0]) / "include"
    if not (include / "torch/csrc/stable/tensor.h").is_file():
        pytest.skip(f"this torch has no stable headers at {include}")
    lines = ['#include "torch_stable/call.h"', "using namespace catvton;"]
    lines += [
        f'void probe_{n}([[maybe_unused]] const Tensor& x) {{ torch_stable::call("aten::any", "", {argument}); }}'
        for n, argument in enumerate(arguments)
    ]
    source.write_text("\n".join(lines))
    command = [compiler(), "-std=c++20", "-fsyntax-only", "-DTORCH_TARGET_VERSION=0x020a000000000000"]
    command += [f"-I{ROOT / 'cpp'}", f"-isystem{include}", str(source)]
    return subprocess.run(command, capture_output=True, text=True)


def test_what_is_boxable_compiles(tmp_path):
    result = compile_calls(BOXABLE, tmp_path)
    assert result.returncode == 0, result.stderr


def test_what_is_not_boxable_does_not_compile(tmp_path):
    result = compile_calls(NOT_BOXABLE, tmp_path)
    assert result.returncode != 0
    assert result.stderr.count("pass int64_t, double, bool, std::string") >= len(NOT_BOXABLE)
    refused = {int(line) for line in re.findall(r"probe\.cpp:(\d+)", result.stderr)}
    assert refused >= set(range(FIRST, FIRST + len(NOT_BOXABLE)))


def test_one_wrong_argument_among_right_ones_does_not_compile(tmp_path):
    result = compile_calls(["x, OptionalTensor{}, int64_t{1}, 0"], tmp_path)
    assert result.returncode != 0 and "pass int64_t, double" in result.stderr
