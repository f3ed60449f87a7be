"""The model as it travels between nodes (CATVTON_MODEL): a `catvton.TryOn` under ComfyUI's memory management.

ComfyUI decides when the weights are on the device and when they have to go. It drops a loader's output as soon as
another workflow runs, so models are found again by their files while anything still holds them; and the one that ran
last is held for as long as ComfyUI keeps it loaded (`_comfy.load`). "Unload models" lets go of it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import torch

from . import _comfy
from .colours import latent_colours
from .engine import PUBLISHED_SIZE, engine, has_memory_modes

T = TypeVar("T")
STREAMED = ("low", "minimal")  # modes of memory in which weights wait on the CPU
LEAST = STREAMED[-1]


class CatVTON:
    """What ComfyUI moves between devices: it needs nothing of a torch module but these methods."""

    def __init__(self, tryon: Any):
        self.tryon = tryon
        self.device = tryon.device

    def to(self, device: torch.device) -> CatVTON:
        # working_on None: to be moved from where the weights are, not from where they were last used.
        self.tryon = working_on(self.tryon, None).to(device=device)
        return self

    def is_on(self, device: torch.device) -> bool:
        """Whether the weights are there: ComfyUI leaves them where they are if it wants to."""
        return _like(self.tryon.unet).device == device

    def modules(self) -> list:
        return []

    def named_modules(self) -> list:
        return []


def _like(network: Any) -> torch.Tensor:
    """Of the weights' dtype, on their device. Engines before packed weights have no cheaper way to ask."""
    return network.like if hasattr(network, "like") else next(iter(network.parameters.values()))


def _bytes(network: Any) -> int:
    if hasattr(network, "weight_bytes"):
        return network.weight_bytes
    return sum(weight.numel() * weight.element_size() for weight in network.parameters.values())


class Model:
    """`patcher` is what ComfyUI looks for in a node's output."""

    def __init__(self, tryon: Any):
        size = sum(_bytes(network) for network in (tryon.unet, tryon.vae))
        self.patcher = _comfy.patcher(CatVTON(tryon), size)
        self.masked: bool = tryon.masked
        self.size: tuple[int, int] = getattr(tryon, "native_size", PUBLISHED_SIZE)  # height, width
        self._configs = tryon.unet.config, tryon.vae.config

    @cached_property
    def latent_colours(self) -> tuple[torch.Tensor, torch.Tensor] | None:
        return latent_colours(self.patcher.model.tryon.vae)

    def run(self, work: Callable[[Any, str, bool], T], height: int, width: int, pairs: int, memory: str) -> T:
        """work(tryon, memory, False) with the weights where that mode of memory wants them; once more, with the least
        memory and True for one pair at a time, if memory runs out.

        height, width, pairs: how much is denoised at once, for ComfyUI to make room.
        """
        try:
            return work(*self._ready(height, width, pairs, memory), False)
        except Exception as error:
            if not _comfy.is_out_of_memory(error):
                raise
            reason = (str(error) or type(error).__name__).splitlines()[0]
        # Not in the handler, whose traceback holds every tensor of the failed attempt.
        _comfy.log.warning("CatVTON: out of memory (%s); trying once more with less", reason)
        _comfy.empty_cache()
        return work(*self._ready(height, width, 1, LEAST), True)

    def _ready(self, height: int, width: int, pairs: int, memory: str) -> tuple[Any, str]:
        """The TryOn, and the mode of memory that is left to it."""
        target, holder = self.patcher.load_device, self.patcher.model
        if target.type == "cpu":  # nothing to make room for, and no other place to wait
            _comfy.load(self, workspace=0)
            return holder.tryon, memory
        dtype = str(holder.tryon.dtype).removeprefix("torch.")
        workspace = _workspace(*self._configs, height, width, dtype, pairs)
        if memory not in STREAMED:
            _comfy.load(self, workspace)
            if holder.is_on(target):
                return holder.tryon, memory
        # low, minimal, and ComfyUI's --novram: weights wait on the CPU, and come as the engine needs them.
        _comfy.unload(self.patcher)
        _comfy.make_room(workspace, target)
        if not has_memory_modes():
            return holder.tryon.to(device=target), memory
        holder.tryon = working_on(holder.tryon, target)
        return holder.tryon, memory if memory in STREAMED else LEAST


def working_on(tryon: Any, device: torch.device | None) -> Any:
    """The same TryOn, its weights where they are and its work done on `device` (None: where they are)."""
    return replace(tryon, work_device=device) if has_memory_modes() else tryon


def opened(key: Hashable, load: Callable[[], Any]) -> Model:
    """The model that is still there under `key`, which names files as they are now; else that of `load()`, a TryOn."""
    model = _opened.get(key)
    if model is None:
        model = _opened[key] = Model(load())
    return model


_opened: WeakValueDictionary[Hashable, Model] = WeakValueDictionary()


@lru_cache(maxsize=32)
def _workspace(unet_config: Any, vae_config: Any, height: int, width: int, dtype: str, pairs: int) -> int:
    """Bytes besides the weights, by a plan that takes a second."""
    engine()
    from catvton.memory import plan

    return plan(unet_config, vae_config, height, width, dtype, batch=pairs).activations
