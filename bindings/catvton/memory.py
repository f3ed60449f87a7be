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
    """Bytes. `vae_encode`, `unet_step` and `vae_decode` are the peaks of living tensors besides `resident`: pictures,
    latents, maps, and weights that come and go."""

    height: int
    width: int
    dtype: str
    mode: str
    float8: bool  # the UNet's weights are stored in eight bits
    unet_weights: int  # of the whole networks, as they are stored
    vae_weights: int
    resident: int  # weights that are there from beginning to end
    vae_encode: int
    unet_step: int
    vae_decode: int

    @property
    def activations(self) -> int:
        return max(self.vae_encode, self.unet_step, self.vae_decode)

    @property
    def peak(self) -> int:
        return self.resident + self.activations


def plan(
    unet_config: Any,
    vae_config: Any,
    height: int,
    width: int,
    dtype: str,
    batch: int = 1,
    guided: bool = True,
    mode: str = "normal",
    float8: bool = False,
    host: bool = False,
    reuses: bool = False,
) -> Plan:
    """The memory of `batch` try-ons at once at `height` x `width`, with the models in `dtype`.

    unet_config, vae_config: `C.UNetConfig` and `C.VAEConfig`. guided: guidance above 1, which has two branches.
    mode: of `catvton.modes`. float8: the UNet's weights are stored in eight bits. host: as on a CPU, where weights
    have nowhere to wait and all count, not as on a GPU. reuses: cache_interval above 1, which keeps a map.
    """
    from .modes import MODES
    from .preparation import check_size

    check_size(height, width)
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(DTYPES)}, got {dtype!r}")
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got {mode!r}")
    configs = _Configs(unet_config, vae_config)
    return _planned(configs, int(height), int(width), dtype, batch, bool(guided), mode, float8, host, bool(reuses))


class _Configs:
    """Two configs as a key: equal where all their fields are."""

    def __init__(self, unet: Any, vae: Any):
        self.unet, self.vae = unet, vae
        self.key = tuple(
            (name, str(getattr(config, name)))
            for config in (unet, vae)
            for name in dir(config)
            if not name.startswith("_") and not callable(getattr(config, name))
        )

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Configs) and self.key == other.key


@lru_cache(maxsize=256)
def _planned(
    configs: _Configs,
    height: int,
    width: int,
    dtype: str,
    batch: int,
    guided: bool,
    mode: str,
    float8: bool,
    host: bool,
    reuses: bool,
) -> Plan:
    import torch

    from ._native import C
    from .modes import arrange
    from .streaming import Float8UNet

    like = torch.empty(0, dtype=getattr(torch, dtype), device="meta")
    unet, vae = C.UNet.blank(configs.unet, like), C.VAE.blank(configs.vae, like)
    if float8:
        unet = Float8UNet.of(unet)
    offload = mode != "normal" and not host
    work = arrange(unet, vae, mode, like.device, offload, copies=offload)
    unet_weights, vae_weights = weight_bytes(unet), weight_bytes(vae)
    peaks = recorded_stages(work, unet, vae, height, width, batch, guided, reuses)
    return Plan(
        height,
        width,
        dtype,
        mode,
        float8,
        unet_weights,
        vae_weights,
        0 if offload else unet_weights + vae_weights,
        *peaks,
    )


def recorded_stages(
    work: Any, unet: Any, vae: Any, height: int, width: int, batch: int, guided: bool, reuses: bool = False
) -> tuple[int, int, int]:
    """The peaks of encoding, of a step and of decoding while `work` does one try-on of one step, weights that `unet`
    and `vae` hold not counted. On the device and in the dtype of the VAE's weights."""
    import torch

    from ._native import C

    existing = [*_tensors(unet), *_tensors(vae)]
    device = existing[-1].device
    recorder = _recorder()(existing)
    drawn, peaks = 0, []

    def end_of_stage(*_) -> None:
        peaks.append(recorder.peak)
        recorder.peak = recorder.now

    def picture(channels: int) -> torch.Tensor:
        return torch.zeros(batch, channels, height, width, device=device)

    def noise(shape: list[int]) -> torch.Tensor:
        nonlocal drawn
        drawn += 1
        if drawn == 3:  # after the samples of person and garment: the first latents
            end_of_stage()
        return torch.zeros(shape, device=device)

    masked = C.is_masked(unet.config, vae.config)
    # Not inference mode: there, composite operators reach the recorder whole and hide the tensors made inside them.
    with torch.no_grad(), recorder:
        C.tryon(
            work.unet,
            work.vae,
            person=picture(vae.config.in_channels),
            garment=picture(vae.config.in_channels),
            mask=picture(1) if masked else None,
            scheduler=C.DDIMConfig(),
            # Where weights come, the kept ones are all there from the second step on.
            steps=2 if callable(work.vae) or reuses else 1,
            cache_interval=2 if reuses else 1,
            guidance=2.5 if guided else 1.0,
            eta=1.0,
            noise=noise,
            on_step=lambda step, total, latents: end_of_stage() if step == total else None,
            one_by_one=work.one_by_one,
            strip=work.strip,
        )
    end_of_stage()
    return tuple(peaks)


def bound(unet: Any, vae: Any, height: int, width: int, dtype: Any, batch: int) -> int:
    """More than any plan of the mode normal comes to, known at once."""
    per_pixel = 12 * vae.config.block_out_channels[0] + 4 * unet.config.block_out_channels[0] + 64
    # Maps, and the strips and projections that are computed in parts of fixed size.
    elements = batch * height * width * per_pixel + 2**28
    return weight_bytes(unet) + weight_bytes(vae) + elements * dtype.itemsize


def weight_bytes(model: Any) -> int:
    """Of a model's weights, as they are stored."""
    return model.weight_bytes


def _tensors(model: Any) -> list[torch.Tensor]:
    from .streaming import Float8, stored_weights

    stored = stored_weights(model).values()
    return [tensor for weight in stored for tensor in (weight.tensors() if isinstance(weight, Float8) else (weight,))]


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
