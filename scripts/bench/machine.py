"""What the numbers were measured on, and the most that a matrix product reaches there."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from networks import support
from rounds import Rounds

from catvton._native import C


def machine(device: torch.device) -> dict[str, Any]:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": cores,
        "load before": round(load, 1),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else str(device),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "diffusers", "pillow", "numpy")},
    }


def peaks(rounds: Rounds, device: torch.device, side: int) -> dict[str, float]:
    """Tera-operations a second of square matrix products: a practical ceiling for anything made of them. No bfloat16 or
    int8 where a CPU has no instructions for it: minutes for a number that nothing here is measured by."""
    found = {}
    slow = device.type == "cpu" and not support.HAS_BFLOAT16
    for dtype in (torch.float32,) if slow else (torch.float32, torch.bfloat16):
        a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
        found[str(dtype).removeprefix("torch.")] = 2 * side**3 / rounds.best(lambda a=a, b=b: a @ b) / 1e12
    if device.type == "cpu" and C.int8.works():
        a, b = (torch.randint(-127, 128, (side, side), dtype=torch.int8) for _ in range(2))
        found["int8"] = 2 * side**3 / rounds.best(lambda: torch._int_mm(a, b)) / 1e12
    return found


def copy_rate(rounds: Rounds, device: torch.device, bytes_copied: int) -> float:
    """Bytes read and written a second, of memory too large for caches."""
    source = torch.zeros(bytes_copied, dtype=torch.uint8, device=device)
    copy = torch.empty_like(source)
    return 2 * bytes_copied / rounds.best(lambda: copy.copy_(source))


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, None) or platform.processor() or platform.machine()
