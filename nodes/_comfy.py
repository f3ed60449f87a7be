"""The only file that touches ComfyUI's own modules: folders, devices and memory, progress, previews, interrupts.

What a version of ComfyUI lacks is asked for with getattr, and has a fallback here and nowhere else.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import comfy.latent_formats
import comfy.model_management as management
import comfy.model_patcher
import comfy.utils
import folder_paths
import latent_preview
import torch

log = logging.getLogger("catvton")

EXAMPLES = Path(__file__).resolve().parent.parent / "example_inputs"
MODELS = "catvton"  # our folder of models, and its name in extra_model_paths.yaml


# Folders


def add_model_folder() -> None:
    """models/catvton, made for people to see where files go, besides what extra_model_paths.yaml says about it."""
    ours = os.path.join(folder_paths.models_dir, MODELS)
    with suppress(OSError):  # models on a disk that cannot be written
        os.makedirs(ours, exist_ok=True)
    paths, _ = folder_paths.folder_names_and_paths.get(MODELS, ([], set()))
    if ours not in paths:
        paths = [*paths, ours]
    folder_paths.folder_names_and_paths[MODELS] = (paths, folder_paths.supported_pt_extensions)


def add_example_inputs() -> None:
    """The pictures of the example workflows, where Load Image finds them; what is there already stays."""
    folder = folder_paths.get_input_directory()
    for picture in EXAMPLES.glob("*.png"):
        if not os.path.exists(os.path.join(folder, picture.name)):
            with suppress(OSError):  # an input folder that cannot be written
                shutil.copyfile(picture, os.path.join(folder, picture.name))


def model_folders(category: str) -> list[str]:
    return folder_paths.get_folder_paths(category)


def model_files(category: str) -> list[str]:
    """Relative to the category's folders, with forward slashes on every system."""
    return [name.replace("\\", "/") for name in folder_paths.get_filename_list(category)]


def input_pictures() -> list[str]:
    folder = folder_paths.get_input_directory()
    names = [entry.name for entry in os.scandir(folder) if entry.is_file()]
    return sorted(folder_paths.filter_files_content_types(names, ["image"]))


def input_path(name: str) -> str:
    """Of a name that may end in " [input]", " [output]" or " [temp]"."""
    return folder_paths.get_annotated_filepath(name)


# Tensors


def to_output(tensor: torch.Tensor) -> torch.Tensor:
    """Where and in which dtype ComfyUI wants what nodes hand on; pictures and masks alike, in 0..1."""
    dtype = getattr(management, "intermediate_dtype", lambda: torch.float32)()
    return tensor.clamp(0, 1).to(management.intermediate_device(), dtype)


# Devices and memory


def device() -> torch.device:
    return management.get_torch_device()


def dtype_for(device: torch.device) -> torch.dtype:
    if management.should_use_fp16(device):
        return torch.float16
    return torch.bfloat16 if management.should_use_bf16(device) else torch.float32


def patcher(model: Any, size: int) -> Any:
    """What puts `model`, anything with to(device), modules() and named_modules(), under ComfyUI's memory management.

    size: bytes of its weights.
    """
    return comfy.model_patcher.ModelPatcher(
        model, management.get_torch_device(), management.unet_offload_device(), size=size
    )


def load(owner: Any, workspace: int) -> None:
    """Moves owner.patcher's model to its device, and others off it until `workspace` bytes are free besides.

    ComfyUI's entry for what it has loaded then holds `owner`, until another owner comes or the model is unloaded. Not a
    callback of ours: an owner that dies while ComfyUI goes through its entries takes one away from under it.
    """
    management.load_models_gpu([owner.patcher], memory_required=workspace, force_full_load=True)
    for entry in list(management.current_loaded_models):
        entry.catvton_owner = owner if entry.model is owner.patcher else None


def unload(patcher: Any) -> None:
    """Moves the model off its device, if it is there."""
    for loaded in [found for found in management.current_loaded_models if found.model is patcher]:
        loaded.model_unload()
        management.current_loaded_models.remove(loaded)


def make_room(size: int, device: torch.device) -> None:
    """Moves models off `device` until `size` bytes are free there."""
    management.free_memory(size, device)


def is_out_of_memory(error: BaseException) -> bool:
    known = getattr(management, "is_oom", None)
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or bool(known and known(error))


def empty_cache() -> None:
    management.soft_empty_cache()


# While a node runs


def stop_if_interrupted() -> None:
    """Raises ComfyUI's InterruptProcessingException, a BaseException, where the user pressed Cancel."""
    management.throw_exception_if_processing_interrupted()


def _previewer_of(device: torch.device, factors: torch.Tensor, bias: torch.Tensor) -> Any:
    """For latents of a VAE that ComfyUI does not know: factors [3, 4], bias [3]."""
    latent_format = comfy.latent_formats.SD15()
    latent_format.latent_rgb_factors, latent_format.latent_rgb_factors_bias = factors.T.tolist(), bias.tolist()
    latent_format.taesd_decoder_name = None  # a decoder of SD 1.5's latents
    return latent_preview.get_previewer(device, latent_format)


class Progress:
    """The bar and the preview of one node's run: hand `on_step` and `on_estimate` to the engine."""

    def __init__(self, device: torch.device, colours: Callable[[], tuple[torch.Tensor, torch.Tensor] | None]):
        """colours: asked for at the first preview, `colours.latent_colours` of the model."""
        self._previewer = latent_preview.get_previewer(device, comfy.latent_formats.SD15())
        self._device, self._colours = device, colours
        self._bar: Any = None
        self._picture: Any = None

    @property
    def wants_estimate(self) -> bool:
        """Whether previews are switched on."""
        return self._previewer is not None

    def on_estimate(self, latents: torch.Tensor) -> None:
        """latents: the person's, scaled, [B, 4, h, w], as they are expected to become."""
        if self._colours is not None:
            found, self._colours = self._colours(), None
            self._previewer = _previewer_of(self._device, *found) if found else self._previewer
        self._picture = self._previewer.decode_latent_to_preview_image("JPEG", latents)

    def on_step(self, step: int, total: int, latents: torch.Tensor) -> None:
        if self._bar is None:
            self._bar = comfy.utils.ProgressBar(total)
        self._bar.update_absolute(step, total, self._picture)
        stop_if_interrupted()
