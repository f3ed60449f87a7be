"""Load CatVTON: base UNet, VAE and trained attention, from the folders of models that ComfyUI knows."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from comfy_api.latest import io

from . import _comfy, files, model
from .engine import engine
from .files import AUTOMATIC, DEMO
from .schema import CATEGORY, CatVTONModel, advanced, schema

DTYPES = ["auto", "float32", "bfloat16", "float16"]
AS_DTYPE, INT8 = "as dtype", "int8"
KINDS = [AUTOMATIC, "masked", "mask-free"]
WEIGHTS = {".safetensors", ".bin", ".ckpt", ".pt", ".pth", ".json"}  # what counts when a folder is compared


class Load(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="CatVTONLoad",
            display_name="Load CatVTON",
            category=CATEGORY,
            description="Loads a CatVTON model: a base UNet, a VAE and CatVTON's trained attention. Masked or "
            "mask-free is told from the files. Nothing is ever downloaded.",
            search_aliases=["virtual try-on", "vton", "try on loader", "clothes", "outfit"],
            inputs=[
                io.Combo.Input(
                    "base",
                    options=files.base_choices(),
                    default=DEMO,
                    tooltip="The base UNet: a diffusers folder or a single file of SD 1.5 inpainting (masked) or "
                    "instruct-pix2pix (mask-free), from models/diffusers, diffusion_models, checkpoints or catvton. "
                    "The demo model is small, comes with the pack, and shows that everything works.",
                ),
                io.Combo.Input(
                    "vae",
                    options=files.vae_choices(),
                    default=AUTOMATIC,
                    tooltip="CatVTON is published with sd-vae-ft-mse. automatic: that one if a folder has it, else the "
                    "base's own.",
                ),
                io.Combo.Input(
                    "attention",
                    options=files.attention_choices(),
                    default=AUTOMATIC,
                    tooltip="CatVTON's trained attention, in models/catvton. automatic: the one there that fits the "
                    "base, mix-48k-1024 first; none is needed where the base holds it already.",
                ),
                io.Combo.Input(
                    "dtype",
                    options=DTYPES,
                    default="auto",
                    tooltip="Precision of weights and arithmetic. auto: float16 on a GPU that is good at it, float32 "
                    "on a CPU.",
                ),
                advanced(
                    io.Combo.Input(
                        "kind",
                        options=KINDS,
                        default=AUTOMATIC,
                        tooltip="What the attention was trained for, where its file and path tell it wrongly.",
                    )
                ),
                advanced(
                    io.Combo.Input(
                        "weights_dtype",
                        options=[AS_DTYPE, INT8],
                        default=AS_DTYPE,
                        tooltip="int8: the UNet's products in eight bits, in less time and memory, for a picture that "
                        "is not quite the same. Only where ComfyUI runs on a CPU (--cpu) that has VNNI.",
                    )
                ),
            ],
            outputs=[CatVTONModel.Output("model", display_name="model", tooltip="For Try On and Outfit.")],
        )

    @classmethod
    def validate_inputs(cls, base: str, vae: str, attention: str) -> bool | str:
        """ComfyUI's own message for a missing file lists the others; this one says where the file belongs."""
        try:
            _arguments(base, vae, attention)
        except FileNotFoundError as error:
            return str(error)
        return True

    @classmethod
    def fingerprint_inputs(
        cls, base: str, vae: str, attention: str, dtype: str, kind: str = AUTOMATIC, weights_dtype: str = AS_DTYPE
    ) -> str:
        return repr((_state(_arguments(base, vae, attention)), dtype, kind, weights_dtype))

    @classmethod
    def execute(
        cls, base: str, vae: str, attention: str, dtype: str, kind: str = AUTOMATIC, weights_dtype: str = AS_DTYPE
    ) -> io.NodeOutput:
        tryon = engine().TryOn
        arguments = _arguments(base, vae, attention)
        options = {
            "kind": None if kind == AUTOMATIC else kind,
            "dtype": str(_comfy.dtype_for(_comfy.device())).removeprefix("torch.") if dtype == "auto" else dtype,
        }
        if weights_dtype != AS_DTYPE:
            if _comfy.device().type != "cpu":
                raise ValueError(
                    f"weights_dtype {weights_dtype} is for a CPU, and ComfyUI works on {_comfy.device()}: choose "
                    f"{AS_DTYPE!r}, or start ComfyUI with --cpu"
                )
            options["weights_dtype"] = weights_dtype
        key = (_state(arguments), *options.values())
        return io.NodeOutput(model.opened(key, lambda: tryon.load(**arguments, **options, device="cpu")))


def _arguments(base: str, vae: str, attention: str) -> dict[str, Any]:
    """`TryOn.load`'s, of three choices. Raises FileNotFoundError naming what is missing and where it belongs."""
    vae = files.reference_vae() or AUTOMATIC if vae == AUTOMATIC and base != DEMO else vae
    arguments: dict[str, Any] = {
        "folder": None,
        "unet": None,
        "vae": None if vae == AUTOMATIC else _part(files.path_of(vae, "vae"), "vae"),
        "attention": None if attention == AUTOMATIC else files.path_of(attention, "attention"),
        "scheduler": None,
    }
    if base == DEMO:
        return arguments | {"folder": "demo"}
    path = files.path_of(base, "base")
    arguments["unet"] = _part(path, "unet")
    if path.is_dir():
        scheduler = path / "scheduler" / "scheduler_config.json"
        arguments["scheduler"] = scheduler if scheduler.is_file() else None
        arguments["vae"] = arguments["vae"] or (path / "vae" if (path / "vae").is_dir() else None)
    if attention == AUTOMATIC:
        arguments["folder"] = _home_of_attention(path)
    return arguments


def _part(path: Path, name: str) -> Path:
    """The network in a folder of a whole model; else the path itself."""
    return path / name if (path / name).is_dir() else path


def _home_of_attention(base: Path) -> Path | None:
    """The folder in which the engine looks for the attention that fits: the base's own, else models/catvton."""
    if base.is_dir() and (any(base.glob("attention/*")) or any(base.glob("*/attention/*"))):
        return base
    folders = [Path(folder) for folder in _comfy.model_folders(_comfy.MODELS)]
    return next((folder for folder in folders if folder.is_dir() and any(folder.iterdir())), folders[-1])


def _state(arguments: dict[str, Any]) -> tuple:
    """The arguments and, for every file that they may mean, when it was written and how long it is."""
    paths = [path for path in arguments.values() if isinstance(path, Path)]
    return (*map(str, arguments.values()), *(fact for path in paths for fact in _facts(path)))


def _facts(path: Path) -> Iterator[tuple[str, int, int]]:
    found = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix in WEIGHTS and p.is_file())
    for file in found:
        status = os.stat(file)
        yield str(file), status.st_mtime_ns, status.st_size
