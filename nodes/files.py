"""What the loader offers from ComfyUI's model folders, and the files that a choice means.

A choice is "<folder>/<name>", as "checkpoints/sd-v1-5-inpainting.ckpt": several folders share one list. Which of them
fit together is told by the engine, from the names and shapes in the files; here, names alone are looked at, because
ComfyUI asks for the lists often.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from . import _comfy

DEMO = "demo (built in)"
AUTOMATIC = "automatic"
NETWORK_NAMES = ("diffusion_pytorch_model", "diffusion_pytorch_model.fp16")  # diffusers'
ATTENTION_FILES = ("model.safetensors", "pytorch_model.bin")  # as CatVTON is published
DIFFUSERS_DEPTH = 3


def base_choices() -> list[str]:
    return [DEMO, *_in_ours("unet"), *_diffusers("unet"), *_files("diffusion_models"), *_files("checkpoints")]


def vae_choices() -> list[str]:
    return [AUTOMATIC, *_in_ours("vae"), *_files("vae"), *_diffusers("vae")]


def attention_choices() -> list[str]:
    return [AUTOMATIC, *_in_ours("attention")]


def path_of(choice: str, what: str) -> Path:
    """The file or folder of a choice. Raises FileNotFoundError naming it and the folders where it belongs."""
    category, _, name = choice.partition("/")
    try:
        folders = [Path(folder) for folder in _comfy.model_folders(category)]
    except KeyError:
        raise FileNotFoundError(f"{what}: {choice!r} is in no folder of models that ComfyUI knows") from None
    for folder in folders:
        if (path := folder / name).exists():
            return path
    places = " or ".join(str(folder) for folder in folders) or f"models/{category}"
    raise FileNotFoundError(
        f"{what}: {name} is not there. It belongs in {places} (or in a folder named as {category} in "
        "extra_model_paths.yaml). Put it there, press R for a new list, or choose another file."
    )


def reference_vae() -> str | None:
    """The VAE that CatVTON is published with, sd-vae-ft-mse, if one of the folders has it."""
    return next((choice for choice in vae_choices() if "ft-mse" in choice or "ft_mse" in choice), None)


def _files(category: str) -> list[str]:
    return [f"{category}/{name}" for name in _comfy.model_files(category)]


def _in_ours(part: str) -> list[str]:
    """What models/catvton holds that may be `part` (unet, vae, attention): folders as published, and single files."""
    choices = {}
    for name in map(PurePosixPath, _comfy.model_files(_comfy.MODELS)):
        folder = name.parent
        if name.stem in NETWORK_NAMES:  # <model>/unet/diffusion_pytorch_model.safetensors
            whole = part == "unet" == folder.name  # a model in diffusers' layout is chosen by its own folder
            choice = (folder.parent if whole else folder) if part in folder.name else None
        elif name.name in ATTENTION_FILES and folder.name == "attention":
            choice = folder if part == "attention" else None
        else:
            choice = name
        if choice is not None:
            choices[f"{_comfy.MODELS}/{choice}".removesuffix("/.")] = None
    return sorted(choices)


def _diffusers(part: str) -> list[str]:
    """Folders of whole models in diffusers' layout that hold `part`, and folders of that part alone."""
    choices = []
    for top in _comfy.model_folders("diffusers"):
        for path, folders, files in os.walk(top, followlinks=True):
            relative = PurePosixPath(Path(path).relative_to(top).as_posix())
            if part in folders or (part in relative.name and any(Path(name).stem in NETWORK_NAMES for name in files)):
                choices.append(f"diffusers/{relative}")
                folders.clear()
            elif len(relative.parts) == DIFFUSERS_DEPTH:
                folders.clear()
    return sorted(set(choices))
