"""Try-on: the model as an object that takes pictures and gives pictures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from . import modes, weights
from . import noise as noises
from ._native import C
from .callbacks import OnEstimate, OnStep, Poll, Tap, counted
from .devices import resolve_device, resolve_dtype
from .garments import Garments, Posterior
from .images import PictureLike, open_picture, to_uint8
from .masks.controls import Length
from .outfit import try_on_outfit
from .pairs import Pair, Settings, pairs_of
from .paste_back import check_seam
from .paste_back import paste_back as paste
from .preparation import Fit, mask_of_size, prepare
from .presets import Preset, Solver, sampling
from .results import Result, like
from .streaming import FLOAT8, Float8UNet

INT8 = "int8"
WEIGHTS_DTYPES = (FLOAT8, INT8)


@dataclass(frozen=True)
class TryOn:
    """A CatVTON model: one UNet with only self-attention, one VAE.

    >>> tryon = TryOn.load("models/catvton")
    >>> tryon("person.jpg", "shirt.jpg", mask="mask.png").image

    Threads may share an instance, or have their own. Calls with other memory modes move its weights, and nothing else
    changes.
    """

    unet: Any  # C.UNet, or streaming.Float8UNet
    vae: Any  # C.VAE
    scheduler: Any  # C.DDIMConfig
    native_size: tuple[int, int] = weights.PUBLISHED_SIZE  # (height, width) that it was trained for
    work_device: torch.device | None = None  # where the work is done; None: where the weights are
    garments: Garments = field(default_factory=Garments, repr=False, compare=False)
    _moving: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    @classmethod
    def load(
        cls,
        folder: str | Path | None = None,
        *,
        unet: str | Path | None = None,
        vae: str | Path | None = None,
        attention: str | Path | None = None,
        scheduler: str | Path | None = None,
        variant: str | None = None,
        kind: str | None = None,
        device: str | torch.device = "auto",
        dtype: str | torch.dtype = "auto",
        weights_dtype: str | None = None,
        memory: str = "normal",
    ) -> TryOn:
        """The model in `folder`, or of files named one by one; what is named wins over what the folder holds.

        folder: base UNet, VAE and attention weights in one of the layouts that `weights.find` knows; or "demo", the
            small model that comes with the package (a folder of that name is "./demo").
        unet, vae: a diffusers folder, or a .safetensors, .bin or .ckpt file, single-file checkpoints included.
        attention: CatVTON's trained self-attention. Only a base named by unet= may go without: it keeps its own.
        variant: which attention weights of the folder: mix-48k-1024, vitonhd-16k-512 or dresscode-16k-512.
        kind: "masked" or "mask-free", where metadata and path of the attention weights tell it wrongly.
        device: "auto" takes a GPU where torch has one. dtype: "auto" is float16 there and float32 on a CPU.
        weights_dtype: "float8_e4m3" keeps the UNet's weights in eight bits, and computes in `dtype` all the same: half
        of float16's memory, and a result that differs visibly where you look for it (docs/memory.md). "int8" is as
        small, nearer, and computes in eight bits, which a CPU with VNNI does faster (docs/performance.md).
        memory: where weights wait for the first call: "normal" on the device, "low" and "minimal" on the CPU.

        Published CatVTON weights are licensed CC BY-NC-SA 4.0: no commercial use.
        Raises FileNotFoundError or ValueError naming file, tensor and fix.
        """
        device = resolve_device(device)
        dtype = resolve_dtype(dtype, device)
        if weights_dtype not in (None, *WEIGHTS_DTYPES):
            names = " or ".join(map(repr, WEIGHTS_DTYPES))
            raise ValueError(f"weights_dtype must be None (as dtype), {names}, got {weights_dtype!r}")
        modes.check_mode(memory)
        files = weights.find(folder, unet=unet, vae=vae, attention=attention, scheduler=scheduler, variant=variant)
        waiting = torch.device("cpu") if memory in ("low", "minimal") else device
        # Eight bits are made on the CPU, so that the device never holds the UNet in more.
        read_on = torch.device("cpu") if weights_dtype == FLOAT8 else waiting
        pack = device.type == "cpu" and weights_dtype != FLOAT8  # what is streamed or expanded stays plain
        network = weights.load_unet(
            files.unet, files.attention, dtype=dtype, device=read_on, kind=kind, pack=pack, int8=weights_dtype == INT8
        )
        model = cls(
            unet=Float8UNet.of(network).to(waiting) if weights_dtype == FLOAT8 else network,
            vae=weights.load_vae(files.vae, dtype=dtype, device=waiting, pack=pack),
            scheduler=weights.load_scheduler(files.scheduler),
            native_size=weights.native_size(files),
            work_device=device,
        )
        C.is_masked(model.unet.config, model.vae.config)  # a base of neither kind is refused here, not at first use
        return model

    @property
    def masked(self) -> bool:
        """True: needs a mask (9-channel UNet). False: mask-free (8 channels)."""
        return C.is_masked(self.unet.config, self.vae.config)

    @property
    def device(self) -> torch.device:
        """Where the work is done."""
        return self.work_device or self.unet.like.device

    @property
    def dtype(self) -> torch.dtype:
        return self.unet.like.dtype

    @property
    def resident(self) -> bool:
        """Whether the weights are on the device; False: they wait on the CPU (memory="low" or "minimal")."""
        return self.unet.like.device == self.device

    def to(self, device: str | torch.device | None = None, dtype: str | torch.dtype | None = None) -> TryOn:
        """The same model on another device or in another dtype; itself where nothing changes."""
        device = self.device if device is None else resolve_device(device)
        dtype = self.dtype if dtype is None else resolve_dtype(dtype, device)
        if (device, dtype) == (self.device, self.dtype):
            return self
        float8 = isinstance(self.unet, Float8UNet)
        if float8 and dtype == self.dtype:
            unet = self.unet.to(device)
        elif float8 or self.unet.in_eight_bits:
            kept = f"{FLOAT8} keeps its dtype" if float8 else f"{INT8} keeps its device and dtype"
            raise ValueError(
                f"a model in {kept}, {self.device} and {self.dtype}: load it anew for {device} and {dtype}"
            )
        else:
            unet = weights.to(self.unet, dtype, device, pack=True)
        return replace(
            self,
            unet=unet,
            vae=weights.to(self.vae, dtype, device, pack=True),
            work_device=device,
            garments=Garments(),
        )

    def __call__(
        self,
        person: PictureLike | Sequence[PictureLike],
        garment: PictureLike | Sequence[PictureLike],
        mask: PictureLike | Sequence[PictureLike] | None = None,
        *,
        preset: Preset = "exact",
        steps: int | None = None,
        guidance: float | None = None,
        eta: float | None = None,
        solver: Solver | None = None,
        guidance_interval: tuple[float, float] | None = None,
        cache_interval: int | None = None,
        token_downsampling: int | None = None,
        int8_scores: bool | None = None,
        seed: int | None = None,
        height: int | None = None,
        width: int | None = None,
        fit: Fit = "pad",
        paste_back: bool = True,
        feather: Length | None = None,
        protect: PictureLike | None = None,
        match_colour: bool = False,
        batch_size: int = 1,
        memory: str = "auto",
        callback: OnStep | None = None,
        preview: OnEstimate | None = None,
        poll: Poll | None = None,
        generator: torch.Generator | None = None,
        noise: Iterable[torch.Tensor] | None = None,
        tap: Tap | None = None,
    ) -> Result | list[Result]:
        """Puts `garment` on `person`, repainting where `mask` is white.

        person, garment, mask: a path, PIL image, numpy array or torch tensor each, or a list of them (or a batched
        array); one picture serves all of the others. With a list comes a list of results, in order. Masked models need
        a mask, mask-free models look at none.
        preset: "exact" is what the weights were evaluated with: 50 steps, guidance 2.5, eta 1. "fast" and "turbo" take
        less time and are not the same picture (`catvton.presets`, docs/approximations.md).
        steps, guidance, eta, solver, guidance_interval, cache_interval, token_downsampling, int8_scores:
        `presets.Sampling` explains them; None is the preset's.
        seed: of the first pair; the i-th has seed + i, whatever the batch size. None: a random one, which the result
        names. Instead of a seed: generator, or noise, float32 tensors in the order that `catvton.noise` documents.
        height, width: at which the model works, multiples of 8; None: its `native_size`. fit: how pictures reach that
        size (`Placement.of`).
        paste_back: the result goes back into the original picture, at its size, and outside the mask nothing changes.
        feather, protect, match_colour: of the seam, see `catvton.paste_back`. False gives the model's own picture.
        batch_size: pairs that are denoised together: more memory, and on a GPU less time.
        memory: "normal", "low" or "minimal" (`catvton.modes`): less memory, more time, the same result to rounding.
        "auto" takes the first that fits into what is free. Where memory runs out all the same, the next lower one is
        tried once, from the start of the batch (callback sees its steps again). The result says which one it was.
        callback: called with (step, total, latents) after every step, steps counted over the whole call; what it raises
        stops the run within that step and arrives unchanged. preview: called before it, with the person's latents as
        they are expected to become, scaled, float32 [B, 4, h, w]. poll: called between layers, at most every 50 ms;
        what it raises stops the run there, in the VAE too. tap: called with name and value of every intermediate.

        Raises ValueError or TypeError naming the value and the fix, FileNotFoundError, torch.OutOfMemoryError.
        """
        native_height, native_width = self.native_size
        height, width = native_height if height is None else height, native_width if width is None else width
        chosen = sampling(
            preset,
            steps=steps,
            guidance=guidance,
            eta=eta,
            solver=solver,
            guidance_interval=guidance_interval,
            cache_interval=cache_interval,
            token_downsampling=token_downsampling,
            int8_scores=int8_scores,
        )
        settings = Settings(chosen, height, width, fit)
        C.check_options(self.scheduler, **chosen.options())  # refuses before any work
        pairs, is_single = pairs_of(person, garment, mask)
        if self.masked and any(pair.mask is None for pair in pairs):
            raise ValueError("this is a masked model (9-channel UNet): it needs mask=, white where to repaint")
        if batch_size < 1:
            raise ValueError(f"batch_size must be 1 or more, got {batch_size}")
        check_seam(feather, protect)
        modes.check_mode(memory)
        source = noises.Source.of(seed, generator, noise, self.device)
        hooks = {"on_estimate": preview, "poll": poll, "tap": tap}

        batches = [pairs[start : start + batch_size] for start in range(0, len(pairs), batch_size)]
        results: list[Result] = []
        size = (height, width, len(batches[0]), chosen.guidance > 1)
        free = modes.free_memory(self.device)
        mode = modes.choose(self, *size, free, chosen.reuses) if memory == "auto" else memory
        for number, batch in enumerate(batches):
            on_step = callback and counted(callback, number * chosen.steps, len(batches) * chosen.steps)
            seeds, draw = source.next(len(batch))
            finish = partial(paste, feather=feather, protect=protect, match_colour=match_colour) if paste_back else None
            attempt = partial(self._try_on, batch, settings, seeds, draw, finish, hooks | {"on_step": on_step})
            try:
                made, mode = modes.retrying(attempt, mode, again=source.again)
            except (RuntimeError, MemoryError) as error:
                if not modes.out_of_memory(error):
                    raise
                raise torch.OutOfMemoryError(f"{error}\n{modes.advice(self, *size, chosen.reuses)}") from error
            results += made
        return results[0] if is_single else results

    def outfit(
        self,
        person: PictureLike,
        *,
        upper: PictureLike | None = None,
        lower: PictureLike | None = None,
        dress: PictureLike | None = None,
        inner: PictureLike | None = None,
        outer: PictureLike | None = None,
        masks: Mapping[str, PictureLike] | None = None,
        atr: PictureLike | None = None,
        lip: PictureLike | None = None,
        densepose: PictureLike | None = None,
        **options: Any,
    ) -> Result:
        """Puts several garments on one person: lower, then upper or inner, or dress in their place, outer last.

        Each is tried on in the pasted-back result of the one before, so outside all masks nothing changes.
        masks: by garment, {"upper": mask}. What it lacks is made from atr, lip and densepose, label maps of the person
        as it comes (`catvton.masks.outfit_masks` tells how, and what an earlier garment means for a later one's mask).
        upper takes the place of a worn shirt and coat; inner is a shirt in an open coat, and leaves the coat.
        options: those of a single call, the same for every garment, but for paste_back and batch_size. The i-th garment
        put on has seed + i; generator and noise go on where they stood. callback counts over all garments.

        The result's image has the person's size, its seed is the first one, its seconds are the sum, and its plain is
        the model's own picture of the last garment. Raises what a call raises, and ValueError for garments or masks
        that do not go together.
        """
        garments = {"upper": upper, "lower": lower, "dress": dress, "inner": inner, "outer": outer}
        return try_on_outfit(self, person, garments, masks=masks, atr=atr, lip=lip, densepose=densepose, **options)

    def _try_on(
        self,
        batch: list[Pair],
        settings: Settings,
        seeds: list[int | None],
        draw: noises.Noise,
        finish: Callable[..., Image.Image] | None,
        hooks: dict[str, Callable[..., Any] | None],
        mode: modes.Mode,
    ) -> list[Result]:
        persons = [open_picture(pair.person, "person") for pair in batch]
        masks = [
            None if pair.mask is None else mask_of_size(pair.mask, person.size)
            for pair, person in zip(batch, persons, strict=True)
        ]
        prepared = [
            prepare(person, pair.garment, mask if self.masked else None, settings.height, settings.width, settings.fit)
            for pair, person, mask in zip(batch, persons, masks, strict=True)
        ]

        def stacked(arrays: list[np.ndarray]) -> torch.Tensor:
            return torch.from_numpy(np.concatenate(arrays)).to(self.device)

        began = time.perf_counter()
        with torch.inference_mode(), modes.sparing(mode, self.device, settings.height * settings.width):
            work = self._work(mode)
            pictures = C.tryon(
                work.unet,
                work.vae,
                person=stacked([p.person for p in prepared]),  # [B, 3, H, W]
                # Taps see the garment encoded with its person.
                garment=stacked([p.garment for p in prepared])
                if hooks["tap"]
                else self._garments(prepared, work, hooks["poll"]),
                mask=stacked([p.mask for p in prepared]) if self.masked else None,  # [B, 1, H, W]
                scheduler=self.scheduler,
                noise=draw,
                one_by_one=work.one_by_one,
                strip=work.strip,
                **settings.sampling.options(),
                **hooks,
            )
            pictures = pictures.cpu().numpy()  # [B, H, W, 3]
        seconds = (time.perf_counter() - began) / len(batch)
        if not np.isfinite(pictures).all():
            raise FloatingPointError(
                f"the model computed NaN or infinity in {str(self.dtype).removeprefix('torch.')}: these weights "
                "overflow there, or are damaged. Load them with dtype='float32' or 'bfloat16'."
            )
        results = []
        for pair, person, mask, preparation, picture, seed in zip(
            batch, persons, masks, prepared, pictures, seeds, strict=True
        ):
            plain = Image.fromarray(to_uint8(picture))
            image = plain if finish is None else finish(person, plain, mask, preparation.placement)
            results.append(Result(image=like(pair.person, image), plain=plain, seed=seed, seconds=seconds, memory=mode))
        return results

    def _work(self, mode: modes.Mode) -> modes.Work:
        """The networks as `mode` wants them, their weights moved to where it wants these."""
        offload = modes.offloads(mode, self.device)
        with self._moving:
            device = self.device
            object.__setattr__(self, "work_device", device)
            for name in ("unet", "vae"):
                object.__setattr__(self, name, modes.placed(getattr(self, name), device, offload))
            unet, vae = self.unet, self.vae
        return modes.arrange(unet, vae, mode, device, offload)

    def _garments(self, prepared: list[Any], work: modes.Work, poll: Poll | None) -> Posterior:
        """Mean and std of the garments' latents, float32 [B, 4, h, w]."""

        def encode(picture: np.ndarray) -> Posterior:
            pixels = torch.from_numpy(picture).to(self.device).to(self.dtype)  # [1, 3, H, W]
            mean, std = work.vae_now().encode(pixels, strip=work.strip, poll=poll)
            return mean.float(), std.float()

        key = (self.dtype, self.device)
        known = [self.garments.posterior(preparation.garment, key, encode) for preparation in prepared]
        means, stds = zip(*known, strict=True)
        return torch.cat(means), torch.cat(stds)
