"""A tiny CatVTON on disk, written by diffusers and safetensors, and pictures to try it on."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from diffusers import DDIMScheduler  # noqa: E402
from PIL import Image  # noqa: E402
from safetensors.torch import save_file  # noqa: E402

from support import diffusers_unet, diffusers_vae  # noqa: E402

UNET = {
    "block_out_channels": (32, 64, 64, 64),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "layers_per_block": 2,
}
VAE = {
    "block_out_channels": (16, 16, 32, 32),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
}


def write_models(folder: Path, in_channels: int) -> Path:
    """base/{unet,scheduler}, vae and, for the masked kind, the trained attention under its published name."""
    unet = diffusers_unet(in_channels=in_channels, **UNET)
    unet.save_pretrained(folder / "base" / "unet")
    scheduler = DDIMScheduler(beta_schedule="scaled_linear", steps_offset=1, set_alpha_to_one=False, clip_sample=False)
    scheduler.save_pretrained(folder / "base" / "scheduler")
    diffusers_vae(**VAE).save_pretrained(folder / "vae")
    attentions = [module for name, module in unet.named_modules() if name.endswith("attn1")]
    names = ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight", "to_out.0.bias")
    trained = {
        f"{8 * i}.{name}": torch.randn_like(module.get_parameter(name)) / 8
        for i, module in enumerate(attentions)
        for name in names
    }
    variant = folder / ("mix-48k-1024" if in_channels == 9 else "mask-free") / "attention"
    variant.mkdir(parents=True)
    save_file(trained, variant / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    return write_models(tmp_path_factory.mktemp("masked"), 9)


@pytest.fixture(scope="session")
def mask_free_models(tmp_path_factory) -> Path:
    return write_models(tmp_path_factory.mktemp("mask-free"), 8)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory) -> Path:
    """person.png, garment.jpg and mask.png; persons/ and masks/ with two each; what a user gets wrong beside them."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    person = random.integers(0, 256, (100, 80, 3), dtype=np.uint8)
    mask = np.zeros((100, 80), np.uint8)
    mask[30:60, 20:60] = 255
    Image.fromarray(person).save(folder / "person.png")
    Image.fromarray(random.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(folder / "garment.jpg")
    Image.fromarray(mask).save(folder / "mask.png")
    Image.fromarray(np.zeros_like(mask)).save(folder / "empty_mask.png")
    for name in ("persons", "masks", "nothing"):
        (folder / name).mkdir()
    for i, name in enumerate(("anna", "bert")):
        Image.fromarray(np.roll(person, i, axis=0)).save(folder / "persons" / f"{name}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{name}{'_mask' * i}.png")
    (folder / "text.png").write_text("no picture")
    return folder


@pytest.fixture
def catvton(tmp_path):
    """Runs the command line as a user does, in an empty folder: catvton("info", path) -> CompletedProcess."""

    def run(*arguments, code=0) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", "catvton", *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment())
        assert done.returncode == code, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        if code == 2:
            assert "Traceback" not in done.stderr and done.stderr.strip(), done.stderr
        return done

    return run


def environment() -> dict[str, str]:
    """This process' path of packages, absolute: the command runs in another folder. One thread: with tensors this
    small, threads only wait for each other."""
    path = os.pathsep.join(str(Path(p).resolve()) for p in sys.path if p)
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def write_sparse(path: Path, shapes: dict[str, tuple[int, ...]], dtype: str = "F16") -> None:
    """A safetensors file of the right size whose tensors take no space on disk."""
    size, header = 0, {}
    width = {"F16": 2, "F32": 4}[dtype]
    for name, shape in shapes.items():
        end = size + width * int(np.prod(shape))
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [size, end]}
        size = end
    text = json.dumps(header).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(8 + len(text) + size)
