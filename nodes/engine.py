"""The package `catvton`, imported at first use, or an error that says why it is not there and what to do."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

PACK = Path(__file__).resolve().parent.parent


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
