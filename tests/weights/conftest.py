"""Small weights on disk, and the reference implementation's where they are at hand (they may not be redistributed)."""

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import ldm_shapes
import synthetic_weights

GOLDEN = Path(os.environ.get("CATVTON_GOLDEN", Path(__file__).resolve().parents[3] / "shared" / "golden"))
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="session")
def golden_models() -> Path:
    if not (GOLDEN / "models").is_dir():
        pytest.skip(f"no golden data in {GOLDEN} (set CATVTON_GOLDEN)")
    return GOLDEN / "models"


@pytest.fixture(scope="session")
def tiny(tmp_path_factory) -> Path:
    """A folder with a tiny masked model in diffusers' layout."""
    return synthetic_weights.write(tmp_path_factory.mktemp("tiny") / "catvton", tiny=True)


@pytest.fixture(scope="session")
def tiny_unet(tiny) -> dict[str, torch.Tensor]:
    return load_file(tiny / "unet" / WEIGHTS)


@pytest.fixture(scope="session")
def tiny_vae(tiny) -> dict[str, torch.Tensor]:
    return load_file(tiny / "vae" / WEIGHTS)


@pytest.fixture(scope="session")
def tiny_attention(tiny) -> dict[str, torch.Tensor]:
    return load_file(tiny / "mix-48k-1024" / "attention" / "model.safetensors")


@pytest.fixture(scope="session")
def checkpoint() -> dict[str, torch.Tensor]:
    """A small Stable Diffusion inpainting checkpoint as the original code names it, every value different."""
    generator = torch.Generator().manual_seed(0)
    shapes = {f"model.diffusion_model.{name}": shape for name, shape in ldm_shapes.unet(32, context=48).items()}
    shapes |= {f"first_stage_model.{name}": shape for name, shape in ldm_shapes.vae(32).items()}
    shapes |= {"cond_stage_model.transformer.text_model.embeddings.position_ids": [1, 77], "betas": [1000]}
    return {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}


def write_json(path: Path, fields: dict) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(fields))
    return path
