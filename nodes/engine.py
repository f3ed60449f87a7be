"""The package `catvton`, imported at first use, or an error that says why it is not there and what to do."""

from __future__ import annotations

import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

PACK = Path(__file__).resolve().parent.parent
PUBLISHED_SIZE = (1024, 768)  # height, width


def engine() -> ModuleType:
    """`catvton`, ready to work. Raises RuntimeError where it is not installed or cannot be loaded."""
    try:
        import catvton
        from catvton._native import unavailable_reason
    except ImportError as error:
        raise RuntimeError(
            f"CatVTON's engine is not installed in ComfyUI's Python ({error}). Run this, then restart ComfyUI:\n"
            f'  "{sys.executable}" "{PACK / "install.py"}"'
        ) from None
    if reason := unavailable_reason():
        raise RuntimeError(
            f'{reason}\nOr run this, then restart ComfyUI:\n  "{sys.executable}" "{PACK / "install.py"}"'
        )
    return catvton


@lru_cache(maxsize=1)
def has_memory_modes() -> bool:
    """Whether weights can wait on the CPU: the pack may have been updated, and the engine in ComfyUI's Python not."""
    return find_spec("catvton.modes") is not None
