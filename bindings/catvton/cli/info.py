"""catvton info: what model files are, whether they make a CatVTON, and the memory it needs. Only headers are read."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import memory
from .options import size
from .table import gib, table

SUFFIXES = (".safetensors", ".bin", ".ckpt", ".pt", ".pth")
SIZES = ((512, 384), (1024, 768))  # the two that CatVTON was trained at
LICENCE = (
    "CatVTON's published weights are licensed CC BY-NC-SA 4.0: no commercial use, and what you make of them "
    "carries the same licence. Base UNet and VAE have licences of their own. This engine's code is Apache-2.0."
)
DEMO_LICENCE = (
    "The built-in model was trained from nothing on drawn pictures. It is Apache-2.0, as this engine's code is."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "model", metavar="MODEL", nargs="?", help="a folder of models, or one file of weights; demo: the built-in one"
    )
    parser.add_argument(
        "--memory", action="store_true", help="only the memory of every mode; of the published models without a MODEL"
    )
    parser.add_argument("--size", type=size, action="append", metavar="HEIGHTxWIDTH", help="of --memory; may repeat")
    parser.add_argument("--dtype", choices=memory.DTYPES, action="append", help="of --memory; may repeat")
    parser.add_argument("--variant", help="which attention weights of the folder, by name: vitonhd-16k-512")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, sizes in bytes")


def run(args: argparse.Namespace) -> int:
    if args.memory:
        return _run_memory(args)
    if args.model is None:
        raise ValueError("which MODEL? Only --memory goes without, and tells what the published models need.")
    report = examine(args.model, args.variant)
    print(json.dumps(report, indent=2) if args.json else _text(report))
    return 0


def _run_memory(args: argparse.Namespace) -> int:
    from .._native import C
    from ..modes import MODES

    unet, vae, sizes = C.UNetConfig(), C.VAEConfig(), SIZES
    if args.model is not None:
        unet, vae, sizes = _configs(args.model, args.variant)
    plans = plans_of(unet, vae, args.size or sizes, args.dtype or ("float16",), MODES, float8=True)
    print(json.dumps([_plan_dict(plan) for plan in plans], indent=2) if args.json else _memory_text(plans))
    return 0


def _configs(model: str, variant: str | None) -> tuple[Any, Any, tuple[tuple[int, int], ...]]:
    """The configs of UNet and VAE, and the sizes of interest."""
    from .. import weights
    from ..weights import load_unet, load_vae

    path = weights.model_folder(model)
    files = weights.find(**({"folder": path} if path.is_dir() else {"unet": path}), variant=variant)
    unet, vae = load_unet(files.unet, files.attention, device="meta"), load_vae(files.vae, device="meta")
    return unet.config, vae.config, _sizes(weights.native_size(files))


def _sizes(native: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    return SIZES if native in SIZES else (native, *SIZES)


def plans_of(unet: Any, vae: Any, sizes: Any, dtypes: Any, modes: Any, float8: bool = False) -> list[memory.Plan]:
    """A plan for every size, dtype and mode; with float8, also for a UNet in eight bits."""
    return [
        memory.plan(unet, vae, *each, dtype, mode=mode, float8=small)
        for small in ((False, True) if float8 else (False,))
        for dtype in dtypes
        for each in sizes
        for mode in modes
    ]


def _plan_dict(plan: memory.Plan) -> dict[str, Any]:
    return asdict(plan) | {"peak": plan.peak}


def _memory_text(plans: list[memory.Plan]) -> str:
    rows = [
        [
            plan.dtype + (", UNet float8" if plan.float8 else ""),
            f"{plan.height}x{plan.width}",
            plan.mode,
            *(gib(n) for n in (plan.resident, plan.vae_encode, plan.unet_step, plan.vae_decode, plan.peak)),
        ]
        for plan in plans
    ]
    columns = ["dtype", "size", "mode", "weights that stay", "VAE encode", "UNet step", "VAE decode", "peak"]
    return "\n".join(
        [
            "Memory on a GPU, one picture with guidance (its context and kernels' scratch not counted; on a CPU all",
            "weights stay). Columns after the weights: what comes and goes. Peak: weights + the largest of these.",
            "",
            table(columns, rows),
        ]
    )


def examine(model: str | Path, variant: str | None = None) -> dict[str, Any]:
    """Everything `catvton info` shows, ready for JSON: "files", the "model" they make or the "problem", "licence".

    Raises FileNotFoundError where there are no weights; WeightsError where `model` is one file and unusable.
    """
    from .. import weights

    path = weights.model_folder(model)
    if path.is_dir():
        files = [_described(file, path) for file in _weights_below(path)]
        if not files:
            raise FileNotFoundError(f"{path}: no weights in this folder ({', '.join(SUFFIXES)})")
        parts = {"folder": path}
    else:
        summary = weights.inspect(path)
        files = [_as_dict(summary, path.parent)]
        parts = {"unet": path} if summary.unet_parameters and summary.vae_parameters else None
    licence = DEMO_LICENCE if path != Path(model) else LICENCE
    report: dict[str, Any] = {"files": files, "model": None, "problem": None, "licence": licence}
    if parts:
        try:
            report["model"] = _model(weights.find(**parts, variant=variant))
        except (ValueError, FileNotFoundError) as error:
            report["problem"] = str(error)
    return report


def _model(files: Any) -> dict[str, Any]:
    """The model as `catvton tryon` would load it: loaded on `meta`, which checks every name and shape."""
    from .._native import C
    from ..weights import load_scheduler, load_unet, load_vae, native_size

    unet, vae = load_unet(files.unet, files.attention, device="meta"), load_vae(files.vae, device="meta")
    load_scheduler(files.scheduler)  # refuses what the engine does not compute
    masked = C.is_masked(unet.config, vae.config)
    native = native_size(files)
    plans = plans_of(unet.config, vae.config, _sizes(native), ("float32", "float16"), ("normal",))
    return {
        "kind": "masked" if masked else "mask-free",
        "native_size": list(native),
        "unet": str(files.unet),
        "vae": str(files.vae),
        "attention": files.attention and str(files.attention),
        "scheduler": files.scheduler and str(files.scheduler),
        "unet_parameters": _count(unet.parameters),
        "vae_parameters": _count(vae.parameters),
        "attention_parameters": _count({n: t for n, t in unet.parameters.items() if ".attn1." in n}),
        "memory": [_plan_dict(plan) for plan in plans],
    }


def _count(parameters: dict[str, Any]) -> int:
    return sum(tensor.numel() for tensor in parameters.values())


def _weights_below(folder: Path) -> list[Path]:
    found = []
    for path, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        found += [Path(path, name) for name in sorted(names) if name.lower().endswith(SUFFIXES) and name[0] != "."]
    return found


def _described(file: Path, folder: Path) -> dict[str, Any]:
    from ..weights import WeightsError, inspect

    try:
        return _as_dict(inspect(file), folder)
    except (WeightsError, OSError) as error:
        return {"path": str(file.relative_to(folder)), "what": "unusable", "problem": str(error)}


def _as_dict(summary: Any, folder: Path) -> dict[str, Any]:
    return asdict(summary) | {"path": str(summary.path.relative_to(folder)), "bytes": summary.path.stat().st_size}


def _text(report: dict[str, Any]) -> str:
    head = ["file", "what it is", "kind", "dtype", "size", "UNet", "VAE", "self-attention"]
    blocks = [table(head, [_row(file) for file in report["files"]])]
    blocks += [f"{file['path']}: {file['problem']}" for file in report["files"] if "problem" in file]
    if model := report["model"]:
        blocks.append(_model_text(model))
    if report["problem"]:
        blocks.append(f"This is not a complete CatVTON:\n{report['problem']}")
    return "\n\n".join([*blocks, report["licence"]])


def _row(file: dict[str, Any]) -> list[str]:
    if "problem" in file:
        return [file["path"], file["what"], "", "", "", "", "", ""]
    counts = [file[f"{part}_parameters"] for part in ("unet", "vae", "attention")]
    return [
        file["path"],
        file["what"],
        file["kind"] or "",
        "+".join(file["dtypes"]),
        gib(file["bytes"]),
        *(f"{count:,}" if count else "" for count in counts),
    ]


def _model_text(model: dict[str, Any]) -> str:
    height, width = model["native_size"]
    lines = [f"Together they make a {model['kind']} CatVTON for pictures of {height}x{width}:"]
    for part in ("unet", "vae", "attention", "scheduler"):
        count = model.get(f"{part}_parameters")
        parameters = f"   {count:,} parameters" if count else ""
        lines.append(f"  {part:10} {model[part] or 'none beside the base model'}{parameters}")
    rows = [
        [
            plan["dtype"] + (" or bfloat16" if plan["dtype"] == "float16" else ""),
            f"{plan['height']}x{plan['width']}",
            gib(plan["resident"]),
            *(gib(plan[part]) for part in ("vae_encode", "unet_step", "vae_decode", "peak")),
        ]
        for plan in model["memory"]
    ]
    columns = ["dtype", "size", "weights", "VAE encode", "UNet step", "VAE decode", "peak: weights + largest"]
    head = "Memory, one picture with guidance (`catvton info --memory` has modes that need less):"
    return "\n".join([*lines, "", head, table(columns, rows)])
