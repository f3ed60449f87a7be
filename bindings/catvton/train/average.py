"""The mean of models that were trained on from one another, weight by weight: often better than any of them (Wortsman
et al., Model soups, arXiv 2203.05482), and no slower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from .. import weights
from ..atomic import folder_beside
from .export import save_scheduler, save_unet, save_vae


def average_models(models: Sequence[str | Path], out: str | Path) -> None:
    """Writes unet, vae and scheduler to folder `out`, which must not be there yet; the scheduler is the first model's.

    models: two or more folders that `TryOn.load` reads, or "demo", with masked models of the same shapes.

    Raises ValueError for fewer, and for models of other shapes; FileExistsError where `out` is.
    """
    if len(models) < 2:
        raise ValueError(f"expected two models or more to average, got {len(models)}")
    out = Path(out)
    if out.exists():
        raise FileExistsError(f"{out} is there: give another folder, or remove it")
    files = [weights.find(model) for model in models]
    unet = _mean([weights.load_unet(found.unet, found.attention) for found in files], models)
    vae = _mean([weights.load_vae(found.vae) for found in files], models)
    with folder_beside(out) as temporary:
        save_unet(unet, temporary / "unet")
        save_vae(vae, temporary / "vae", vae.config.scaling_factor)
        save_scheduler(weights.load_scheduler(files[0].scheduler), temporary / "scheduler")
        temporary.rename(out)


def _mean(networks: list[Any], models: Sequence[str | Path]) -> Any:
    first = networks[0].parameters
    for network, model in zip(networks[1:], models[1:], strict=True):
        other = network.parameters
        unlike = [name for name in first.keys() | other.keys() if _shape(first, name) != _shape(other, name)]
        if unlike:
            name = min(unlike)
            raise ValueError(
                f"{model}: {name} is {_shape(other, name)}, in {models[0]} {_shape(first, name)}: only models of the "
                f"same shapes have a mean"
            )
    parameters = [network.parameters for network in networks]
    mean = {name: torch.stack([found[name] for found in parameters]).mean(0) for name in first}
    return type(networks[0])(mean, networks[0].config)


def _shape(parameters: dict[str, torch.Tensor], name: str) -> list[int] | None:
    return list(parameters[name].shape) if name in parameters else None
