"""An exponential moving average of the trained weights: what a run from scratch is judged and saved by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

Weights = dict[str, torch.Tensor]


class EMA:
    """float32 shadows of `weights`; early steps count more, (1 + n) / (10 + n), so that the start is forgotten."""

    def __init__(self, weights: Weights, decay: float):
        if not 0 < decay < 1:
            raise ValueError(f"ema must be between 0 and 1 (0.997, 0.9999), got {decay}")
        self.decay, self.weights = decay, weights
        self.shadows = {name: weight.detach().clone() for name, weight in weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """step: 1 after the first one."""
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.shadows.values()), [w.detach() for w in self.weights.values()], 1 - decay)

    @contextmanager
    @torch.no_grad()
    def applied(self) -> Iterator[None]:
        """The averages in the weights' place; afterwards the weights are what they were, to the bit."""
        kept = {name: weight.detach().clone() for name, weight in self.weights.items()}
        try:
            self._copy(self.shadows)
            yield
        finally:
            self._copy(kept)

    def _copy(self, source: Weights) -> None:
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(source[name])
