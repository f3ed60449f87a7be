"""What a call of TryOn asks for: pairs of pictures, and the settings that they share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .images import PictureLike
from .preparation import Fit, check_size
from .presets import Sampling


@dataclass(frozen=True)
class Pair:
    person: PictureLike
    garment: PictureLike
    mask: PictureLike | None


@dataclass(frozen=True)
class Settings:
    sampling: Sampling
    height: int = 1024
    width: int = 768
    fit: Fit = "pad"

    def __post_init__(self):
        for name in ("height", "width"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
                raise TypeError(f"{name} must be an integer, got {value!r}")
        check_size(self.height, self.width)


def pairs_of(person: Any, garment: Any, mask: Any) -> tuple[list[Pair], bool]:
    """The pairs of one call, and whether it was a single one (then a single result goes back, not a list).

    A list, tuple or [B, H, W, C] array is several pictures (a mask: [B, H, W]); one picture serves all of the others.
    """
    given = {"person": _several(person, 4), "garment": _several(garment, 4), "mask": _several(mask, 3)}
    lengths = {name: len(pictures) for name, pictures in given.items() if pictures is not None}
    if not lengths:
        return [Pair(person, garment, mask)], True
    for name, length in lengths.items():
        if length == 0:
            raise ValueError(f"{name} is an empty list; give at least one picture")
    count = max(lengths.values())
    if any(length not in (1, count) for length in lengths.values()):
        counts = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise ValueError(f"pictures do not pair up: {counts}; give the same number of each, or one for all")

    def picture(name: str, single: Any, i: int) -> Any:
        pictures = given[name]
        return single if pictures is None else pictures[i % len(pictures)]

    pairs = [
        Pair(picture("person", person, i), picture("garment", garment, i), picture("mask", mask, i))
        for i in range(count)
    ]
    return pairs, False


def _several(pictures: Any, batch_dims: int) -> Sequence[Any] | None:
    """The pictures of a list or of a batched array; None where it is one picture (a batch of one is one, too)."""
    if isinstance(pictures, (list, tuple)):
        return pictures
    torch = sys.modules.get("torch")
    is_array = isinstance(pictures, np.ndarray) or (torch is not None and isinstance(pictures, torch.Tensor))
    if not is_array or pictures.ndim != batch_dims or len(pictures) == 1:
        return None
    if batch_dims == 3 and pictures.shape[2] in (3, 4) and pictures.shape[0] > 4:
        return None  # a mask drawn in colour, [H, W, C]
    return list(pictures)
