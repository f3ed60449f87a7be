"""Where the model may paint: masks by category, by hand, and their controls.

A mask is uint8 [H, W]: 255 may be painted, 0 is kept.
"""

from .agnostic import CATEGORIES, agnostic

__all__ = ["CATEGORIES", "agnostic"]
