"""The model as it travels between nodes (CATVTON_MODEL): a `catvton.TryOn` under ComfyUI's memory management.

ComfyUI decides when the weights are on the device and when they have to go. It drops a loader's output as soon as
another workflow runs, so models are found again by their files while anything still holds them; and the one that ran
last is held here for as long as ComfyUI keeps it loaded. "Unload models" lets go of it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import lru_cache
from typing import Any, TypeVar
from weakref import WeakValueDictionary

import torch

from . import _comfy
from .engine import engine

T = TypeVar("T")
PUBLISHED_SIZE = (1024, 768)  # height, width


class CatVTON:
    """What ComfyUI moves between devices: it needs nothing of a torch module but these methods."""

    def __init__(self, tryon: Any):
        self.tryon = tryon
        self.device = tryon.device

    def to(self, device: torch.device) -> CatVTON:
        self.tryon = self.tryon.to(device=device)
        return self

    def modules(self) -> list:
        return []

    def named_modules(self) -> list:
        return []


class Model:
    """`patcher` is what ComfyUI looks for in a node's output."""

    def __init__(self, tryon: Any):
        size = sum(t.numel() * t.element_size() for net in (tryon.unet, tryon.vae) for t in net.parameters.values())
        self.patcher = _comfy.patcher(CatVTON(tryon), size, on_unload=_forget)
        self.masked: bool = tryon.masked
        self.size: tuple[int, int] = getattr(tryon, "native_size", PUBLISHED_SIZE)  # height, width
        self._configs = tryon.unet.config, tryon.vae.config

    def run(self, work: Callable[[Any, bool], T], height: int, width: int, pairs: int, guided: bool) -> T:
        """work(tryon, small) with the weights on the device; once more with small=True if memory runs out.

        height, width, pairs: how much is denoised at once, for ComfyUI to make room.
        """
        tryon = self._on_device(height, width, pairs, guided)
        try:
            return work(tryon, False)
        except Exception as error:
            if not _comfy.is_out_of_memory(error):
                raise
            reason = str(error).splitlines()[0]
        _comfy.log.warning("CatVTON: out of memory (%s); trying once more with less", reason)
        _comfy.empty_cache()
        return work(tryon, True)

    def _on_device(self, height: int, width: int, pairs: int, guided: bool) -> Any:
        global _last_loaded
        target = self.patcher.load_device
        workspace = 0  # ComfyUI frees no memory on a CPU, and a plan takes a second
        if target.type != "cpu":
            dtype = str(self.patcher.model.tryon.dtype).removeprefix("torch.")
            workspace = _workspace(*self._configs, height, width, dtype, pairs, guided)
        _comfy.load(self.patcher, workspace)
        tryon = self.patcher.model.tryon
        if tryon.device == target:
            _last_loaded = self
            return tryon
        # --novram: ComfyUI keeps every weight off the device. These go there for one run, and not back.
        return tryon.to(device=target)


def opened(key: Hashable, load: Callable[[], Any]) -> Model:
    """The model that is still there under `key`, which names files as they are now; else that of `load()`, a TryOn."""
    model = _opened.get(key)
    if model is None:
        model = _opened[key] = Model(load())
    return model


_opened: WeakValueDictionary[Hashable, Model] = WeakValueDictionary()
_last_loaded: Model | None = None


def _forget(patcher: Any) -> None:
    global _last_loaded
    if _last_loaded is not None and _last_loaded.patcher is patcher:
        _last_loaded = None


@lru_cache(maxsize=32)
def _workspace(unet_config: Any, vae_config: Any, height: int, width: int, dtype: str, pairs: int, guided: bool) -> int:
    from catvton.memory import plan

    engine()
    return plan(unet_config, vae_config, height, width, dtype, pairs, guided).activations
