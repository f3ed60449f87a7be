"""The door to the native module: `from catvton._native import C`, then `C.UNet(...)`.

Where the binary or torch is missing, importing still succeeds, and the first use raises an ImportError that says why
and what to do: a notebook or ComfyUI must start even then.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

MINIMUM_TORCH = (2, 10)


class _Unavailable:
    """Stands in for the native module and raises the reason at first use."""

    def __init__(self, reason: str):
        self._reason = reason

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        raise ImportError(self._reason)


def _load():
    try:
        import torch
    except (ImportError, OSError) as error:  # OSError: a library that torch itself needs is not there
        return _Unavailable(
            f"catvton needs torch >= 2.10, and importing torch failed ({error}). Install the build of torch that fits "
            "your machine (see pytorch.org); catvton never installs or changes torch itself."
        )
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    if version < MINIMUM_TORCH:
        return _Unavailable(f"catvton needs torch >= 2.10, this is torch {torch.__version__}. Upgrade torch.")
    try:
        from . import _C

        if getattr(_C, "__file__", None) is None:  # the folder of type stubs was found, and no binary beside it
            raise ImportError(f"no _C{sysconfig.get_config_var('EXT_SUFFIX')} in {Path(__file__).parent}")
    except ImportError as error:
        return _Unavailable(
            f"catvton's native module could not be loaded ({error}). Reinstall catvton-native for this Python, or "
            "build it: pip install --no-build-isolation catvton-native (needs a C++20 compiler and torch >= 2.13)."
        )
    return _C


C = _load()


def unavailable_reason() -> str | None:
    """Why the native module cannot be used, or None where it can."""
    return C._reason if isinstance(C, _Unavailable) else None
