"""A UNet whose weights wait elsewhere: on the CPU while a GPU works, or in eight bits.

Each part (`C.StreamedUNet.parts`: a resnet and its attention, at most 92 of 816 million weights) comes to the device
when its turn is there, and is dropped after it. On CUDA the next part travels on a stream of its own meanwhile, from
pinned memory; that overlap is written by the book and has not been run on a GPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from ._native import C

FLOAT8 = "float8_e4m3"


@dataclass(frozen=True)
class Float8:
    """A weight in eight bits: values [out, ...] in e4m3, times a float32 factor for each output channel [out, 1, ...].

    e4m3 keeps three bits of mantissa: each weight is off by at most 1/16 of itself (subnormals: 2^-10 of the channel's
    largest 448th part). Biases, norms, and what is smaller than a matrix stay as they are.
    """

    values: torch.Tensor
    scale: torch.Tensor

    @classmethod
    def of(cls, weight: torch.Tensor) -> Float8:
        exact = weight.float()
        largest = exact.abs().amax(dim=tuple(range(1, exact.ndim)), keepdim=True)
        scale = torch.where(largest > 0, largest / torch.finfo(torch.float8_e4m3fn).max, 1.0)
        return cls((exact / scale).to(torch.float8_e4m3fn), scale)

    @property
    def nbytes(self) -> int:
        return self.values.nbytes + self.scale.nbytes

    def to(self, device: torch.device, non_blocking: bool = False, copy: bool = False) -> Float8:
        move = {"non_blocking": non_blocking, "copy": copy}
        return Float8(self.values.to(device, **move), self.scale.to(device, **move))

    def pinned(self) -> Float8:
        return Float8(_pinned(self.values), _pinned(self.scale))

    def expanded(self, dtype: torch.dtype) -> torch.Tensor:
        return self.values.to(dtype).mul_(self.scale.to(dtype))

    def tensors(self) -> tuple[torch.Tensor, ...]:
        return self.values, self.scale


class Float8UNet:
    """A UNet kept in eight bits, `config` and `parameters` as those of C.UNet (`parameters` expands all of them)."""

    def __init__(self, stored: Mapping[str, torch.Tensor | Float8], config: Any, dtype: torch.dtype):
        self.stored, self.config, self.dtype = dict(stored), config, dtype

    @classmethod
    def of(cls, unet: Any) -> Float8UNet:
        """The first and the last part, where errors would show in the picture unweakened, keep their dtype."""
        parameters = unet.parameters

        def is_inner(name: str) -> bool:
            return C.StreamedUNet.part(name) not in ("in", "out")

        stored = {n: Float8.of(t) if t.ndim > 1 and is_inner(n) else t for n, t in parameters.items()}
        return cls(stored, unet.config, parameters["conv_in.weight"].dtype)

    @property
    def like(self) -> torch.Tensor:
        """A weight that tells device and dtype of the work, as C.UNet's."""
        return self.stored["conv_in.weight"]

    @property
    def device(self) -> torch.device:
        return self.like.device

    @property
    def weight_bytes(self) -> int:
        return sum(weight.nbytes for weight in self.stored.values())

    @property
    def parameters(self) -> dict[str, torch.Tensor]:
        return {name: expanded(weight, self.dtype) for name, weight in self.stored.items()}

    def to(self, device: torch.device) -> Float8UNet:
        return Float8UNet({name: weight.to(device) for name, weight in self.stored.items()}, self.config, self.dtype)


def expanded(weight: torch.Tensor | Float8, dtype: torch.dtype) -> torch.Tensor:
    return weight.expanded(dtype) if isinstance(weight, Float8) else weight


def stored_weights(unet: Any) -> dict[str, torch.Tensor | Float8]:
    return unet.stored if isinstance(unet, Float8UNet) else unet.parameters


class Streamer:
    """Gives `unet`'s weights to `device`, part by part; `network` is the UNet that asks for them.

    share: of the weights' bytes that stay on the device once they were there, spread evenly over the parts.
    copies: also where the weights are on the device already; the planner's way to see them on `meta`.
    """

    def __init__(self, unet: Any, device: torch.device, share: float = 0.0, copies: bool = False):
        self.device, self.copies = device, copies
        stored = stored_weights(unet)
        self.dtype = stored["conv_in.weight"].dtype
        self.order = C.StreamedUNet.parts(unet.config)
        self.parts: dict[str, dict[str, torch.Tensor | Float8]] = {part: {} for part in self.order}
        for name, weight in stored.items():
            self.parts[C.StreamedUNet.part(name)][name] = weight
        self.kept = self._kept(share)
        self.there: dict[str, dict[str, Any]] = {}  # parts on the device: the kept ones
        self.ahead: tuple[str, dict[str, Any]] | None = None  # the next one, on its way
        self.side = torch.cuda.Stream(device) if device.type == "cuda" else None
        like = torch.empty(0, dtype=self.dtype, device=device)
        self.network = C.StreamedUNet(unet.config, like, self.fetch)

    def _kept(self, share: float) -> set[str]:
        kept, seen, chosen = 0, 0, set()
        for part in self.order:
            size = sum(weight.nbytes for weight in self.parts[part].values())
            seen += size
            if kept + size <= share * seen:
                kept += size
                chosen.add(part)
        return chosen

    def fetch(self, part: str, following: str) -> dict[str, torch.Tensor]:
        """The part's weights on the device, in the dtype of the work. following: the part that is needed next."""
        if part in self.there:
            weights = self.there[part]
        else:
            weights = self._arrived(part)
            if part in self.kept:
                self.there[part] = weights
        self._send_ahead(following)
        return {name: expanded(weight, self.dtype) for name, weight in weights.items()}

    def release(self) -> None:
        """Drops what is on the device."""
        self.there.clear()
        self.ahead = None

    def _moved(self, part: str) -> dict[str, Any]:
        move = {"non_blocking": self.side is not None, "copy": self.copies}
        return {name: weight.to(self.device, **move) for name, weight in self.parts[part].items()}

    def _arrived(self, part: str) -> dict[str, Any]:
        ahead, self.ahead = self.ahead, None
        if ahead is None or ahead[0] != part:
            return self._moved(part)
        if self.side is not None:
            current = torch.cuda.current_stream(self.device)
            current.wait_stream(self.side)
            for weight in ahead[1].values():
                for tensor in weight.tensors() if isinstance(weight, Float8) else (weight,):
                    tensor.record_stream(current)
        return ahead[1]

    def _send_ahead(self, following: str) -> None:
        """One part ahead. Without a stream of its own this costs memory and gains nothing, but for the planner, who
        must see it."""
        if self.side is None and not self.copies:
            return
        if following in self.there or (self.ahead and self.ahead[0] == following):
            return
        if self.side is None:
            self.ahead = (following, self._moved(following))
            return
        with torch.cuda.stream(self.side):
            self.ahead = (following, self._moved(following))


def to_host(unet: Any, pinned: bool) -> Any:
    """The same UNet or VAE with its weights on the CPU, page-locked where a GPU will fetch them."""
    weights = stored_weights(unet)
    moved = {name: weight.to(torch.device("cpu")) for name, weight in weights.items()}
    if pinned:
        moved = {name: w.pinned() if isinstance(w, Float8) else _pinned(w) for name, w in moved.items()}
    if isinstance(unet, Float8UNet):
        return Float8UNet(moved, unet.config, unet.dtype)
    return type(unet)(moved, unet.config)


def _pinned(tensor: torch.Tensor) -> torch.Tensor:
    return tensor if tensor.is_pinned() else tensor.pin_memory()
