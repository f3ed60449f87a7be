"""CatVTON, virtual try-on, as a native engine (arXiv 2407.15886).

>>> import catvton
>>> tryon = catvton.TryOn.load("models/catvton")
>>> tryon("person.jpg", "shirt.jpg", mask="mask.png", seed=42).image
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["Result", "TryOn"]


def __getattr__(name: str):
    # On first use: importing catvton must succeed, and say nothing, where torch or the native module is missing.
    if name in __all__:
        from ._native import unavailable_reason

        if reason := unavailable_reason():
            raise ImportError(reason)
        from . import results, tryon

        return {"Result": results.Result, "TryOn": tryon.TryOn}[name]
    raise AttributeError(f"module 'catvton' has no attribute {name!r}")
