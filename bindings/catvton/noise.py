"""Where a try-on's randomness comes from.

The engine asks for standard normal float32 tensors in a fixed order: the VAE's sample of the person [B, 4, h, w], of
the garment [B, 4, h, w], the first latents [B, 4, 2h, w] (mask-free: [B, 4, h, 2w]), then one tensor of that shape a
step where the solver takes noise (ddim with eta > 0, sde-dpm++), the last step included. Seeded noise is drawn on the
CPU, so a seed means the same on every device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import chain

import torch

Noise = Callable[[list[int]], torch.Tensor]  # shape -> float32 on the model's device


@dataclass
class Source:
    """The noise of one call, batch after batch; made by `of`."""

    device: torch.device
    next_seed: int | None = None
    generator: torch.Generator | None = None
    tensors: Iterator[torch.Tensor] | None = None
    drawn: int = field(default=0, init=False)  # of `tensors`
    taken: list[torch.Tensor] = field(default_factory=list, init=False)  # since the last `next`
    again: Callable[[], None] = field(default=lambda: None, init=False)  # the noise of the last `next` from its start

    @classmethod
    def of(
        cls,
        seed: int | None,
        generator: torch.Generator | None,
        tensors: Iterable[torch.Tensor] | None,
        device: torch.device,
    ) -> Source:
        """At most one of seed, generator and tensors; none of them is a random seed."""
        if sum(given is not None for given in (seed, generator, tensors)) > 1:
            raise ValueError("give one of seed, generator and noise, not several")
        if generator is not None:
            return cls(device, generator=generator)
        if tensors is not None:
            return cls(device, tensors=iter(tensors))
        return cls(device, next_seed=int(torch.randint(2**53, ()).item()) if seed is None else _checked(seed))

    def next(self, count: int) -> tuple[list[int | None], Noise]:
        """Seeds (None where there are none) and noise of the next `count` pictures."""
        if self.generator is not None:
            self.again = partial(self.generator.set_state, self.generator.get_state())
            return [None] * count, self._from_generator
        if self.tensors is not None:
            self.taken = []
            self.again = self._give_back
            return [None] * count, self._from_tensors
        seeds = [self.next_seed + i for i in range(count)]
        self.next_seed += count
        # A generator for each picture, so that a picture in a batch equals the picture alone.
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]

        def reseed() -> None:
            for generator, seed in zip(generators, seeds, strict=True):
                generator.manual_seed(seed)

        self.again = reseed

        def draw(shape: list[int]) -> torch.Tensor:
            return _moved(torch.cat([torch.randn([1, *shape[1:]], generator=g) for g in generators]), self.device)

        return seeds, draw

    def _from_generator(self, shape: list[int]) -> torch.Tensor:
        return _moved(torch.randn(shape, generator=self.generator, device=self.generator.device), self.device)

    def _from_tensors(self, shape: list[int]) -> torch.Tensor:
        tensor = next(self.tensors, None)
        if tensor is None:
            raise ValueError(f"noise: {self.drawn} tensors were given, and one more of shape {shape} is needed")
        if not isinstance(tensor, torch.Tensor) or list(tensor.shape) != shape:
            got = list(tensor.shape) if isinstance(tensor, torch.Tensor) else type(tensor).__name__
            raise ValueError(f"noise: tensor {self.drawn} must have the shape {shape}, got {got}")
        self.drawn += 1
        self.taken.append(tensor)
        return tensor.to(self.device, torch.float32)

    def _give_back(self) -> None:
        self.tensors = chain(self.taken, self.tensors)
        self.drawn -= len(self.taken)
        self.taken = []


def _moved(drawn: torch.Tensor, device: torch.device) -> torch.Tensor:
    """On the device, and without waiting for it: a copy from other than page-locked memory would."""
    if device.type == "cuda" and drawn.device.type == "cpu":
        return drawn.pin_memory().to(device, non_blocking=True)
    return drawn.to(device)


def _checked(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise TypeError(f"seed must be an integer, got {seed!r}")
    if not 0 <= seed < 2**63:
        raise ValueError(f"seed must be 0 to 2**63 - 1, got {seed}")
    return seed
