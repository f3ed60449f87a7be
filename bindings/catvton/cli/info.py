"""catvton info: what model files are, whether they make a CatVTON, and the memory it needs. Only headers are read."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

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
        "model", metavar="MODEL", help="a folder of models, or one file of weights; demo: the built-in one"
    )
    parser.add_argument("--variant", help="which attention weights of the folder, by name: vitonhd-16k-512")
    parser.add_argument("--json", action="store_true", help="print everything as JSON, sizes in bytes")


def run(args: argparse.Namespace) -> int:
    report = examine(args.model, args.variant)
    print(json.dumps(report, indent=2) if args.json else _text(report))
    return 0


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
    from .. import memory
    from .._native import C
    from ..weights import load_scheduler, load_unet, load_vae, native_size

    unet, vae = load_unet(files.unet, files.attention, device="meta"), load_vae(files.vae, device="meta")
    load_scheduler(files.scheduler)  # refuses what the engine does not compute
    masked = C.is_masked(unet.config, vae.config)
    native = native_size(files)
    plans = []
    for size in SIZES if native in SIZES else (native, *SIZES):
        whole, half = (memory.plan(unet.config, vae.config, *size, dtype) for dtype in ("float32", "bfloat16"))
        plans += [whole, half, replace(half, dtype="float16")]  # as many bytes as bfloat16
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
        "memory": [asdict(plan) | {"peak": plan.peak} for plan in plans],
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
            plan["dtype"],
            f"{plan['height']}x{plan['width']}",
            gib(plan["unet_weights"] + plan["vae_weights"]),
            *(gib(plan[part]) for part in ("unet_step", "vae_encode", "vae_decode", "peak")),
        ]
        for plan in model["memory"]
    ]
    columns = ["dtype", "size", "weights", "UNet step", "VAE encode", "VAE decode", "peak: weights + largest"]
    return "\n".join(
        [*lines, "", "Memory, one picture with guidance (kernels' own scratch not counted):", table(columns, rows)]
    )
