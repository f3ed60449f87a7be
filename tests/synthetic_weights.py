"""Weights of CatVTON's shapes with seeded random values, for tests, benchmarks and demonstrations without a download.

    python tests/synthetic_weights.py OUT [--tiny] [--mask-free] [--dtype float32|float16] [--seed N]

OUT becomes a folder that TryOn.load takes: unet, vae, scheduler and mix-48k-1024/attention. Full size is the published
model's 899 M parameters (3.5 GB in float32; the skipped cross-attentions are left out). Values are drawn so that
activations neither vanish nor overflow in float16 through all steps; pictures made of them mean nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import tempfile
import zlib
from pathlib import Path

import torch

from catvton._native import C
from catvton.weights.attention import METADATA_KEY
from catvton.weights.config import unet_config, vae_config
from catvton.weights.files import save_tensors

SCHEDULER = {
    "_class_name": "DDIMScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}
UNET = {
    "_class_name": "UNet2DConditionModel",
    "attention_head_dim": 8,
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 768,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "in_channels": 9,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 4,
    "sample_size": 64,
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}
VAE = {
    "_class_name": "AutoencoderKL",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 512,
    "scaling_factor": 0.18215,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
TINY_UNET = UNET | {"block_out_channels": [32, 64, 64, 64], "cross_attention_dim": 32}
TINY_VAE = VAE | {"block_out_channels": [16, 32, 32, 32], "norm_num_groups": 16}

# The last layers of residual branches: small, so that the sum of many branches stays near its input.
BRANCH_ENDS = (".conv2.weight", ".to_out.0.weight", ".ff.net.2.weight", ".proj_out.weight")


def values(name: str, shape: list[int], seed: int) -> torch.Tensor:
    """float32 values for the weight `name`, the same whatever else is drawn."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()) + (seed << 32))
    drawn = torch.empty(shape).normal_(generator=generator)
    if len(shape) == 1:  # a norm's scale near 1; biases near 0
        return drawn.mul_(0.1).add_(1.0 if "norm" in name and name.endswith(".weight") else 0.0)
    gain = 0.25 if name.endswith(BRANCH_ENDS) else 1.0
    return drawn.mul_(gain / math.sqrt(math.prod(shape[1:])))


def write(
    out: str | Path, *, tiny: bool = False, mask_free: bool = False, dtype: torch.dtype = torch.float32, seed: int = 0
) -> Path:
    """Writes the folder `out`; leaves it as it is where it already holds these weights.

    The folder appears under its name only when it is complete. Raises FileExistsError where `out` holds something else.
    """
    out = Path(out)
    facts = {"tiny": tiny, "mask_free": mask_free, "dtype": str(dtype), "seed": seed}
    marker = out / "synthetic.json"
    if out.exists():
        if marker.is_file() and json.loads(marker.read_text()) == facts:
            return out
        raise FileExistsError(f"{out} exists and holds something else than these weights: give another folder")
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}."))
    try:
        _write_parts(temporary, tiny, mask_free, dtype, seed)
        (temporary / marker.name).write_text(json.dumps(facts))
        temporary.chmod(0o755)
        temporary.rename(out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return out


def _write_parts(folder: Path, tiny: bool, mask_free: bool, dtype: torch.dtype, seed: int) -> None:
    unet = (TINY_UNET if tiny else UNET) | {"in_channels": 8 if mask_free else 9}
    for name, fields in (("unet", unet), ("vae", TINY_VAE if tiny else VAE)):
        (folder / name).mkdir()
        (folder / name / "config.json").write_text(json.dumps(fields, indent=2))
    (folder / "scheduler").mkdir()
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(SCHEDULER, indent=2))

    config = unet_config(folder / "unet" / "config.json")
    networks = {"unet": C.UNet.shapes(config), "vae": C.VAE.shapes(vae_config(folder / "vae" / "config.json"))}
    for name, shapes in networks.items():
        tensors = {key: values(f"{name}.{key}", shape, seed).to(dtype) for key, shape in shapes.items()}
        save_tensors(tensors, folder / name / "diffusion_pytorch_model.safetensors")
        del tensors

    trained = {}
    for index, module in enumerate(config.self_attentions):
        for key, shape in networks["unet"].items():
            if key.startswith(module + "."):
                weight = key.removeprefix(module + ".")
                trained[C.names.published_attention_name(index, weight)] = values(f"attention.{key}", shape, seed)
    kind = {METADATA_KEY: "mask-free"} if mask_free else {}  # the masked file is as long as the published one
    save_tensors(trained, folder / "mix-48k-1024" / "attention" / "model.safetensors", kind)


def main() -> None:
    parser = argparse.ArgumentParser(description="Writes random weights of CatVTON's shapes.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--tiny", action="store_true", help="3.5 M parameters instead of 899 M")
    parser.add_argument("--mask-free", action="store_true", help="8 channels instead of 9")
    parser.add_argument("--dtype", choices=("float32", "float16"), default="float32", help="of UNet and VAE")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    dtype = getattr(torch, given.dtype)
    print(write(given.out, tiny=given.tiny, mask_free=given.mask_free, dtype=dtype, seed=given.seed))


if __name__ == "__main__":
    main()
