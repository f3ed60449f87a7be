"""How much memory a try-on needs, found by running the engine itself on torch's `meta` device.

There a tensor has a shape and a storage of the right size, but no bytes, so the forward pass of the real model at
1024x768 takes a second and no memory. A dispatch mode watches every storage from its first operator to its death; the
largest sum of living bytes is the peak. On the CPU the same recording gives the same number, because the same
operators run in the same order.

Not counted: what a kernel takes for itself while it runs (a convolution's workspace, attention's tiles), and the
rounding and reserve of torch's caching allocator. On CUDA expect some hundred MiB more, and the CUDA context besides.
On a CPU oneDNN's rearranged copies count: resident memory of medium models rose by 1.4 to 1.6 times the plan.
Attention is taken as a fused kernel; where torch has none for a device, its scores of N x N come on top.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Plan:
    """Bytes. `unet_step`, `vae_encode` and `vae_decode` are peaks of living tensors besides the weights."""

    height: int
    width: int
    dtype: str
    unet_weights: int
    vae_weights: int
    unet_step: int
    vae_encode: int
    vae_decode: int

    @property
    def activations(self) -> int:
        return max(self.unet_step, self.vae_encode, self.vae_decode)

    @property
    def peak(self) -> int:
        """Both models resident, as `TryOn` keeps them."""
        return self.unet_weights + self.vae_weights + self.activations


def plan(
    unet_config: Any, vae_config: Any, height: int, width: int, dtype: str, batch: int = 1, guided: bool = True
) -> Plan:
    """The memory of `batch` try-ons at once at `height` x `width`, with the models in `dtype`.

    unet_config, vae_config: `C.UNetConfig` and `C.VAEConfig`. guided: guidance above 1, which doubles the UNet's batch.
    """
    import torch

    from ._native import C
    from .preparation import check_size

    check_size(height, width)
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    like = torch.empty(0, dtype=getattr(torch, dtype), device="meta")
    unet, vae = C.UNet.blank(unet_config, like), C.VAE.blank(vae_config, like)
    h, w = height // vae_config.downscale, width // vae_config.downscale
    joined = (2 * h, w) if C.is_masked(unet_config, vae_config) else (h, 2 * w)
    entries = 2 * batch if guided else batch

    def step():
        return unet(like.new_empty(entries, unet_config.in_channels, *joined), torch.empty(entries, device="meta"))

    return Plan(
        height,
        width,
        dtype,
        weight_bytes(unet),
        weight_bytes(vae),
        unet_step=recorded_peak(step, unet.parameters.values()),
        vae_encode=recorded_peak(
            lambda: vae.encode(like.new_empty(batch, vae_config.in_channels, height, width)), vae.parameters.values()
        ),
        vae_decode=recorded_peak(
            lambda: vae.decode(like.new_empty(batch, vae_config.latent_channels, h, w)), vae.parameters.values()
        ),
    )


def weight_bytes(model: Any) -> int:
    return model.weight_bytes


def recorded_peak(run: Callable[[], Any], existing: Iterable[torch.Tensor] = ()) -> int:
    """The most bytes that tensors made by `run()` hold at one time; those in `existing` are not counted."""
    import torch

    recorder = _recorder()(existing)
    # Not inference mode: there, composite operators reach the recorder whole and hide the tensors made inside them.
    with torch.no_grad(), recorder:
        run()
    return recorder.peak


def peak_resident() -> int | None:
    """The most physical memory that this process ever held, in bytes; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux; getrusage would tell the parent's peak here if that was larger
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


@lru_cache(maxsize=1)
def _recorder() -> type:
    """The recorder's class, made at first use: its base class needs torch, and importing this module must not."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Recorder(TorchDispatchMode):
        def __init__(self, existing: Iterable[torch.Tensor]):
            super().__init__()
            self.known = {tensor.untyped_storage()._cdata for tensor in existing}
            self.now = self.peak = 0

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            for leaf in tree_leaves(result):
                if isinstance(leaf, torch.Tensor):
                    self.see(leaf.untyped_storage())
            return result

        def see(self, storage) -> None:
            address, size = storage._cdata, storage.nbytes()
            if address in self.known:
                return
            self.known.add(address)
            self.now += size
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.forget, address, size)  # the wrapper lives as long as the storage itself

        def forget(self, address: int, size: int) -> None:
            self.known.discard(address)
            self.now -= size

    return Recorder
