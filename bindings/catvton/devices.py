"""Devices and dtypes by name, with errors that say what there is."""

from __future__ import annotations

import torch

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def resolve_device(device: str | torch.device) -> torch.device:
    """A torch device that exists here. "auto": cuda, xpu or mps where torch has one, cpu otherwise."""
    if device == "auto":
        return next((torch.device(kind) for kind in ("cuda", "xpu", "mps") if _available(kind)), torch.device("cpu"))
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device {device!r} is not one that torch knows ({error}); there is {_present()}") from None
    if not _available(resolved.type):
        raise ValueError(
            f"device {str(resolved)!r} is not available to torch {torch.__version__}; there is {_present()}"
        )
    if resolved.type == "cuda" and (resolved.index or 0) >= torch.cuda.device_count():
        raise ValueError(f"device {str(resolved)!r} does not exist: there are {torch.cuda.device_count()} cuda devices")
    return resolved


def resolve_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype:
    """float32, bfloat16 or float16. "auto": float16 on a GPU, float32 elsewhere."""
    if dtype == "auto":
        return torch.float32 if device.type in ("cpu", "meta") else torch.float16
    resolved = DTYPES.get(dtype, dtype) if isinstance(dtype, str) else dtype
    if resolved not in DTYPES.values():
        raise ValueError(f"dtype must be auto, {', '.join(DTYPES)}, got {dtype!r}")
    return resolved


def _available(kind: str) -> bool:
    if kind in ("cpu", "meta"):
        return True
    module = getattr(torch.backends if kind == "mps" else torch, kind, None)
    return module is not None and module.is_available()


def _present() -> str:
    return ", ".join(["cpu", *(kind for kind in ("cuda", "xpu", "mps") if _available(kind))])
