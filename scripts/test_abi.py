"""Runs one built wheel, unchanged, on several releases of torch.

For every version: an environment of its own under .venv-abi/ (kept, so that the next run is quick), the wheel, and the
tests that compute something through the binary. This interpreter stands in for the version that it has itself.
"""

from __future__ import annotations

import argparse
import hashlib
import re
import subprocess
import sys
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENTS = ROOT / ".venv-abi"
# What computes through the binary; the rest of the tests would find the same on every torch. The full size computes
# nothing that the small models do not.
TESTS = ["abi", "torch_stable", "ops", "models", "sampling", "weights", "tryon", "bindings/test_tryon.py"]


@dataclass
class Outcome:
    torch: str
    sha256: str
    summary: str  # pytest's last line
    seconds: float
    passed: bool


def run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True)


def pip(python: Path, *arguments: object) -> None:
    run(python, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments)


def torch_of(python: Path) -> str:
    """The release of torch in an environment, without the build's "+cu130"; empty where there is none."""
    code = "from importlib.metadata import version; print(version('torch').split('+')[0])"
    return subprocess.run([python, "-c", code], capture_output=True, text=True).stdout.strip()


def environment(version: str) -> Path:
    """An interpreter that has torch `version`."""
    here = Path(sys.executable)
    if torch_of(here) == version:
        return here
    python = ENVIRONMENTS / version / "bin" / "python"
    if not python.exists() or torch_of(python) != version:
        print(f"Installing torch {version} into {python.parent.parent.relative_to(ROOT)} (once)", flush=True)
        run(sys.executable, "-m", "venv", python.parent.parent)
        pip(python, "install", f"torch=={version}")
    return python


def binary_in(wheel: Path) -> str:
    """SHA-256 of the native module inside the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if re.fullmatch(r"catvton/_C\..*(so|pyd)", name)]
        return hashlib.sha256(archive.read(name)).hexdigest()


def binary_of(python: Path) -> str:
    """SHA-256 of the native module that an environment loads, asked outside the source tree."""
    code = "import catvton._C as C, hashlib; print(hashlib.sha256(open(C.__file__, 'rb').read()).hexdigest())"
    return subprocess.run(
        [python, "-c", "import torch; " + code], check=True, capture_output=True, text=True, cwd=ENVIRONMENTS
    ).stdout.strip()


def run_tests(version: str, wheel: Path) -> Outcome:
    python = environment(version)
    if python != Path(sys.executable):
        pip(python, "install", "--force-reinstall", "--no-deps", wheel)
        pip(python, "install", f"{wheel}[test]")
    tests = [path for name in TESTS if (path := ROOT / "tests" / name).exists()]
    start = time.monotonic()
    command = [python, "-m", "pytest", "-q", "--ignore-glob=*test_full_size.py", *tests]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    summary = ""
    for line in process.stdout:
        print(line, end="", flush=True)
        summary = line.strip() or summary
    return Outcome(version, binary_of(python), summary, time.monotonic() - start, process.wait() == 0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheel", type=Path, required=True)
    parser.add_argument("versions", nargs="+", metavar="TORCH", help="a release of torch, for example 2.10.0")
    args = parser.parse_args()
    wheel = args.wheel.resolve()
    ENVIRONMENTS.mkdir(exist_ok=True)

    built = binary_in(wheel)
    outcomes = []
    for version in args.versions:
        print(f"---- {wheel.name} on torch {version}", flush=True)
        outcomes.append(run_tests(version, wheel))
    print(f"---- the binary in {wheel.name}: SHA-256 {built}")
    for outcome in outcomes:
        same = "the same binary" if outcome.sha256 == built else f"ANOTHER BINARY ({outcome.sha256})"
        print(f"torch {outcome.torch}: {same}; {outcome.summary}; {outcome.seconds:.0f} s", flush=True)
    return 0 if all(outcome.passed and outcome.sha256 == built for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
