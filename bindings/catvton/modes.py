"""Memory modes: the same try-on with less on the device at one time. Results are equal up to rounding.

normal   UNet and VAE stay on the device; both branches of guidance in one batch.
low      Guidance's branches one after the other. On a GPU, UNet and VAE wait on the CPU: 60 % of the UNet's weights
         stay once they came, the others come part by part in every step; the VAE comes when it is needed.
minimal  As low, and no weights stay.

In every mode the UNet's widest projections are computed in parts (nn/transformer_block.cpp), and the VAE's large maps
in strips (nn/strips.h). The UNet's kept weights leave before a streamed VAE comes. On a CPU weights have nowhere to
wait: low and minimal are the same there. In both, and for large pictures, large blocks of memory go back to the system
once they are free.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from . import memory
from ._native import C
from .streaming import Float8UNet, Streamer, stored_weights, to_host

Mode = Literal["normal", "low", "minimal"]
MODES: tuple[Mode, ...] = ("normal", "low", "minimal")
CHOICES = ("auto", *MODES)
STRIP = 2**23  # elements: 16 MiB in half precision; smaller ones save little and take more time
MANY_PIXELS = 2**19  # of a picture: there holes in the heap are large, and new pages cost little beside attention
KEPT = {"low": 0.6, "minimal": 0.0}  # of the UNet's weights

log = logging.getLogger("catvton")


@dataclass(frozen=True)
class Work:
    """What `C.tryon` is called with."""

    unet: Any  # C.UNet or C.StreamedUNet
    vae: Any  # C.VAE, or a function that brings it
    one_by_one: bool
    strip: int  # of the VAE's maps

    def vae_now(self) -> Any:
        return self.vae() if callable(self.vae) else self.vae


def check_mode(mode: str) -> None:
    if mode not in CHOICES:
        raise ValueError(f"memory must be one of {', '.join(CHOICES)}, got {mode!r}")


def offloads(mode: Mode, device: torch.device) -> bool:
    return mode != "normal" and device.type not in ("cpu", "meta")


def sparing(mode: Mode, device: torch.device, pixels: int) -> AbstractContextManager[None]:
    """What a call runs in, for a picture of so many pixels."""
    worth_it = mode != "normal" or pixels >= MANY_PIXELS
    return C.LargeBlocksMapped() if worth_it and device.type == "cpu" else nullcontext()


def arrange(unet: Any, vae: Any, mode: Mode, device: torch.device, offload: bool, copies: bool = False) -> Work:
    """unet: C.UNet or Float8UNet, with its weights on the device, or anywhere if they are offloaded.

    copies: for the planner, see `Streamer`.
    """
    if not offload:
        network = Streamer(unet, device, share=1.0, copies=False).network if isinstance(unet, Float8UNet) else unet
        return Work(network, vae, mode != "normal", STRIP)
    streamer = Streamer(unet, device, KEPT[mode], copies)

    def bring_vae() -> Any:
        streamer.release()
        weights = {name: weight.to(device, copy=copies) for name, weight in vae.parameters.items()}
        return type(vae)(weights, vae.config)

    return Work(streamer.network, bring_vae, True, STRIP)


def choose(
    model: Any, height: int, width: int, batch: int, guided: bool, free: int | None, reuses: bool = False
) -> Mode:
    """The first mode whose plan fits into `free` bytes of `model.device`, its own weights there counted as free.

    Where nothing fits, minimal: it may do all the same. Where free is None, not known, normal.
    """
    if free is None:
        return "normal"
    if model.resident:
        free += memory.weight_bytes(model.unet) + memory.weight_bytes(model.vae)
    if memory.bound(model.unet, model.vae, height, width, model.dtype, batch) < free:
        return "normal"  # without planning, which takes seconds for a large picture
    for mode in MODES:
        planned = plan_of(model, height, width, batch, guided, mode, reuses)
        if planned.peak < free or mode == MODES[-1]:
            log.info(
                "memory: %s for %dx%d needs %.2f GiB, %.2f GiB are free on %s",
                *(mode, height, width, planned.peak / 2**30, free / 2**30, model.device),
            )
            return mode
    raise AssertionError("unreachable")


def plan_of(
    model: Any, height: int, width: int, batch: int, guided: bool, mode: Mode, reuses: bool = False
) -> memory.Plan:
    planned = memory.plan(
        model.unet.config,
        model.vae.config,
        height,
        width,
        str(model.dtype).removeprefix("torch."),
        batch=batch,
        guided=guided,
        mode=mode,
        float8=isinstance(model.unet, Float8UNet),
        host=model.device.type == "cpu",
        reuses=reuses,
    )
    saved = planned.unet_weights - memory.weight_bytes(model.unet)  # a UNet in int8 is smaller than its dtype's plan
    return replace(planned, unet_weights=planned.unet_weights - saved, resident=max(0, planned.resident - saved))


def free_memory(device: torch.device) -> int | None:
    """Bytes that a process can still take on `device`, what torch holds in reserve included; None: not told."""
    if device.type == "cpu":
        return _free_on_host()
    if device.type in ("cuda", "xpu"):
        module = getattr(torch, device.type)
        unused = module.memory_reserved(device) - module.memory_allocated(device)
        return module.mem_get_info(device)[0] + unused
    return None


def _free_on_host() -> int | None:
    found = []
    for line in _lines("/proc/meminfo"):
        if line.startswith("MemAvailable:"):
            found.append(int(line.split()[1]) * 1024)
    for limit in _lines("/sys/fs/cgroup/memory.max"):  # a container's
        if limit.isdigit():
            found += [int(limit) - int(used) for used in _lines("/sys/fs/cgroup/memory.current")]
    return min(found, default=None)


def _lines(path: str) -> list[str]:
    try:
        return Path(path).read_text().splitlines()
    except OSError:
        return []


def out_of_memory(error: BaseException) -> bool:
    """torch.OutOfMemoryError, or what torch and numpy raise on a CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("not enough memory" in text or "allocate memory" in text)


def advice(model: Any, height: int, width: int, batch: int, guided: bool, reuses: bool = False) -> str:
    """What would fit, for an error's text."""
    free = free_memory(model.device)
    text = "" if free is None else f" {free / 2**30:.2f} GiB are free on {model.device} now."
    small = (max(64, height // 2 // 8 * 8), max(64, width // 2 // 8 * 8))
    tries = [(height, width, batch)] + [(height, width, 1)] * (batch > 1) + [(*small, 1)]
    for h, w, b in tries:
        for mode in MODES:
            needed = plan_of(model, h, w, b, guided, mode, reuses).peak
            text += f" {h}x{w}{f', {b} at once,' if b > 1 else ''} takes {needed / 2**30:.2f} GiB with memory={mode!r}."
    return text


def retrying(attempt: Callable[[Mode], Any], mode: Mode, again: Callable[[], None]) -> tuple[Any, Mode]:
    """attempt(mode), and once more in the next lower mode where memory ran out. again: called between the two."""
    lower = MODES[min(MODES.index(mode) + 1, len(MODES) - 1)]
    try:
        return attempt(mode), mode
    except (RuntimeError, MemoryError) as error:
        if not out_of_memory(error) or lower == mode:
            raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    # Outside the handler, whose traceback holds every tensor of the failed attempt.
    log.warning("memory ran out with memory=%r (%s); trying again with %r", mode, reason, lower)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    again()
    return attempt(lower), lower


def placed(network: Any, device: torch.device, offload: bool) -> Any:
    """UNet or VAE where a mode wants its weights: itself, or a copy on the CPU or on the device."""
    here = network.like
    if offload:
        pinned = device.type == "cuda"
        ready = here.device.type == "cpu" and (here.is_pinned() or not pinned)
        return network if ready else to_host(network, pinned)
    if here.device == device:
        return network
    moved = {name: weight.to(device) for name, weight in stored_weights(network).items()}
    if isinstance(network, Float8UNet):
        return Float8UNet(moved, network.config, network.dtype)
    return type(network)(moved, network.config)
