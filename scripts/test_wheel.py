"""The wheel to give away, tried where its sources have never been: `make test-wheel`.

A new environment borrows torch from this one, and what the package depends on, but not the package: the wheel is
installed there as a user installs it, without an index, and used from an empty folder. Its try-on must be, byte for
byte, what the same sources make here, and no path of this machine may be inside it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "example_inputs"
MAPS = ("atr", "lip", "densepose")
TRYON = ["tryon", "person.png", "top.png", "--category", "upper", "--models", "demo", "--steps", "4", "--seed", "7"]
# What the environment must not have from here: the package itself, and what makes the environment one of its own.
OWN = ("catvton", "pip", "_distutils", "distutils", "_virtualenv")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dist", type=Path, default=ROOT / "dist", help="where the wheels are; default %(default)s")
    args = parser.parse_args()
    tag = f"-cp{sys.version_info.major}{sys.version_info.minor}-"
    wheels = [path for path in args.dist.glob("catvton_native-*.whl") if tag in path.name]
    if len(wheels) != 1:
        names = ", ".join(path.name for path in wheels) or "none"
        parser.error(f"expected one wheel for this Python ({tag}) in {args.dist}, found {names}: `make wheel` makes it")
    (wheel,) = wheels
    if found := paths_of_this_machine(wheel):
        print(f"{wheel.name} names {ROOT} in {', '.join(found)}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="catvton-wheel-") as folder:
        there, here = Path(folder, "there"), Path(folder, "here")
        python = environment(Path(folder, "environment"))
        run(python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-index", wheel, cwd=folder)
        for place, program in ((there, python.parent / "catvton"), (here, Path(sys.executable).parent / "catvton")):
            pictures_into(place)
            run(program, *TRYON, "--out", "result.png", cwd=place)
        run(python.parent / "catvton", "doctor", cwd=there)
        if (there / "result.png").read_bytes() != (here / "result.png").read_bytes():
            print("the wheel's try-on is not what the sources make here", file=sys.stderr)
            return 1
    print(f"{wheel.name}: installed in a new environment, {wheel.stat().st_size / 1e6:.1f} MB, the same picture")
    return 0


def paths_of_this_machine(wheel: Path) -> list[str]:
    """Files in the wheel that name the folder of the sources."""
    with zipfile.ZipFile(wheel) as archive:
        return [name for name in archive.namelist() if str(ROOT).encode() in archive.read(name)]


def environment(folder: Path) -> Path:
    """An interpreter that has everything this one has, but for the package."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    site = next((folder / "lib").glob("python*/site-packages"))
    borrowed = folder / "borrowed"
    borrowed.mkdir()
    for packages in dict.fromkeys(path for path in sys.path if Path(path).name == "site-packages"):
        for path in Path(packages).iterdir():
            link = borrowed / path.name
            if not path.name.lower().startswith(OWN) and path.suffix != ".pth" and not link.exists():
                link.symlink_to(path)
    (site / "borrowed.pth").write_text(f"{borrowed}\n")
    return python


def pictures_into(folder: Path) -> None:
    folder.mkdir()
    shutil.copyfile(PICTURES / "catvton_person.png", folder / "person.png")
    shutil.copyfile(PICTURES / "catvton_top_1.png", folder / "top.png")
    for name in MAPS:
        shutil.copyfile(PICTURES / f"catvton_person_{name}.png", folder / f"person.{name}.png")


def run(*command: object, cwd: Path | str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"`{' '.join(map(str, command))}` failed:\n{(done.stdout + done.stderr)[-4000:]}")


if __name__ == "__main__":
    sys.exit(main())
