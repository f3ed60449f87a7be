"""Installs CatVTON's engine into the Python that runs this file: ComfyUI-Manager calls it after requirements.txt.

    python install.py            a wheel where one fits this Python, otherwise a build from these sources
    python install.py --force    again, even if what is installed is up to date

Wheels are looked for in wheels/ beside this file and in the folder that CATVTON_WHEELS names. A build takes minutes and
needs a C++20 compiler, OpenCV's headers and torch >= 2.13; what was built runs on torch >= 2.10. Only the package
catvton-native is installed or replaced: torch, numpy and Pillow stay as they are, and build tools go into a temporary
folder.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

ROOT = Path(__file__).resolve().parent
PACKAGE = "catvton-native"
SOURCES = ("CMakeLists.txt", "pyproject.toml", "cmake", "cpp", "bindings")
BUILD_TOOLS = ("scikit-build-core>=0.10", "pybind11>=3.0")
TORCH_TO_BUILD, TORCH_TO_RUN = (2, 13), (2, 10)
PREPARE = {
    "Linux": "Debian and Ubuntu: sudo apt install g++ python3-dev libopencv-dev zlib1g-dev",
    "Darwin": "macOS: xcode-select --install && brew install opencv",
    "Windows": "Windows: Visual Studio's C++ build tools, and OpenCV (OpenCV_DIR must name its build folder)",
}


class Failed(Exception):
    """The text says what is missing and what to do."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--force", action="store_true", help="install again, even if up to date")
    args = parser.parse_args()
    try:
        print(f"CatVTON: {install(args.force)}", flush=True)
    except Failed as failed:
        print(f"CatVTON is not installed: {failed}", file=sys.stderr)
        print("ComfyUI starts all the same; CatVTON's nodes say so when they run.", file=sys.stderr)
        return 1
    return 0


def install(force: bool) -> str:
    """Returns what was done."""
    torch = installed_torch()
    wanted = fingerprint()
    if not force and installed_from() == wanted and loads():
        return f"already installed for {sys.executable}"
    if from_wheel():
        how = "installed a wheel"
    else:
        if torch < TORCH_TO_BUILD:
            raise Failed(
                f"no wheel fits this Python ({tag()}), and building needs torch >= {dotted(TORCH_TO_BUILD)}; this is "
                f"{dotted(torch)}. Update ComfyUI's torch, or put a wheel into {ROOT / 'wheels'}"
            )
        from_sources()
        how = "built and installed"
    if not loads():
        raise Failed(f"it was installed, but does not load:\n{load_error()}")
    remember(wanted)
    return f"{how} for {sys.executable}"


def installed_torch() -> tuple[int, int]:
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        raise Failed(f"{sys.executable} has no torch. Run this with the Python that runs ComfyUI") from None
    found = tuple(int(part) for part in version.split(".")[:2])
    if found < TORCH_TO_RUN:
        raise Failed(f"torch {version} is too old: {dotted(TORCH_TO_RUN)} is the oldest that the engine runs on")
    return found


# What is installed already


def fingerprint() -> str:
    """Of the sources, so that an update of this folder is noticed."""
    digest = hashlib.sha256()
    for name in SOURCES:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix not in (".pyc", ".so", ".pyd"):
                digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def note() -> Path:
    """Where an installation leaves what it was made from: beside the package, so that it goes with it."""
    return Path(str(metadata.distribution(PACKAGE).locate_file("catvton"))) / "installed_from.json"


def installed_from() -> str | None:
    try:
        return json.loads(note().read_text(encoding="utf-8"))["sources"]
    except (metadata.PackageNotFoundError, OSError, ValueError, KeyError):
        return None


def remember(sources: str) -> None:
    note().write_text(json.dumps({"sources": sources}), encoding="utf-8")


def load_error() -> str:
    """What a fresh interpreter says on importing the engine; empty if it loads."""
    code = "import sys; from catvton._native import unavailable_reason as why; sys.exit(why())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tempfile.gettempdir())
    return "" if done.returncode == 0 else (done.stderr or done.stdout).strip()


def loads() -> bool:
    return not load_error()


# Installing


def from_wheel() -> bool:
    """Whether a wheel of this version that fits was found and installed."""
    folders = [ROOT / "wheels", *filter(None, [os.environ.get("CATVTON_WHEELS")])]
    found = [option for folder in folders if Path(folder).is_dir() for option in ("--find-links", str(folder))]
    if not found:
        return False
    wanted = f"{PACKAGE}=={version()}"
    done = pip("install", "--no-index", "--no-deps", "--force-reinstall", *found, wanted, check=False)
    return done.returncode == 0


def from_sources() -> None:
    missing = [what for what, is_there in needed().items() if not is_there]
    if missing:
        hint = PREPARE.get(platform.system(), "install them")
        raise Failed(f"no wheel fits this Python ({tag()}), and to build one {', '.join(missing)} is missing.\n{hint}")
    print("CatVTON: no wheel fits; building from source, which takes a few minutes", flush=True)
    with tempfile.TemporaryDirectory(prefix="catvton-") as folder:
        tools, wheels = Path(folder, "tools"), Path(folder, "wheels")
        programs = [name for name in ("cmake", "ninja") if not shutil.which(name)]
        pip("install", "--target", str(tools), *BUILD_TOOLS, *programs)
        environment = os.environ | {
            "PYTHONPATH": os.pathsep.join(filter(None, [str(tools), os.environ.get("PYTHONPATH")])),
            "PATH": os.pathsep.join([str(tools / "bin"), os.environ.get("PATH", "")]),
        }
        build = Path(folder, "build")
        pip(
            *("wheel", "--no-build-isolation", "--no-deps", "--wheel-dir", str(wheels)),
            *("--config-settings", f"build-dir={build}", str(ROOT)),
            environment=environment,
        )
        pip("install", "--no-index", "--no-deps", "--force-reinstall", *map(str, wheels.glob("*.whl")))


def needed() -> dict[str, bool]:
    """What a build cannot do without and pip cannot bring."""
    compilers = ("cl", "clang-cl") if platform.system() == "Windows" else ("c++", "g++", "clang++")
    compiler = os.environ.get("CXX") or next((name for name in compilers if shutil.which(name)), None)
    if platform.system() == "Windows":  # CMake finds Visual Studio and OpenCV by itself
        return {}
    return {"a C++ compiler": bool(compiler), "OpenCV's headers": bool(compiler) and has_opencv(compiler)}


def has_opencv(compiler: str) -> bool:
    if os.environ.get("OpenCV_DIR") or platform.system() == "Darwin":  # noqa: SIM112 (the name CMake gives it)
        return True  # CMake looks there, and says what it finds
    source = "#include <opencv4/opencv2/core.hpp>\n"
    command = [compiler, "-x", "c++", "-E", "-I/usr/include/opencv4", "-", "-o", os.devnull]
    return subprocess.run(command, input=source, text=True, capture_output=True).returncode == 0


def pip(*arguments: str, check: bool = True, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tempfile.gettempdir())
    if check and done.returncode != 0:
        last = "\n".join((done.stdout + done.stderr).strip().splitlines()[-25:])
        raise Failed(f"`{' '.join(command[1:5])} ...` failed:\n{last}")
    return done


def version() -> str:
    for line in (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines():
        if line.startswith("version = "):
            return line.split('"')[1]
    raise AssertionError("pyproject.toml names no version")


def tag() -> str:
    return f"cp{sys.version_info.major}{sys.version_info.minor}, {platform.system()} {platform.machine()}"


def dotted(numbers: tuple[int, int]) -> str:
    return ".".join(map(str, numbers))


if __name__ == "__main__":
    sys.exit(main())
