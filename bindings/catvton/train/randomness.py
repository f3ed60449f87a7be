"""Randomness without a state: what the n-th sample of a run meets is a function of the run's seed and n.

So there is nothing to store for a resumed run to repeat, and the split of a batch over processes changes nothing.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import torch


def generator(seed: int, stream: str, position: int) -> torch.Generator:
    """A CPU generator of its own for each (seed, stream, position)."""
    digest = hashlib.sha256(f"{seed}/{stream}/{position}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def shuffled(seed: int, position: int, count: int) -> int:
    """The item at `position` when `count` items are gone through again and again, in a new order each time."""
    epoch, place = divmod(position, count)
    return int(_permutation(seed, epoch, count)[place])


@lru_cache(maxsize=2)
def _permutation(seed: int, epoch: int, count: int) -> torch.Tensor:
    return torch.randperm(count, generator=generator(seed, "order", epoch))
