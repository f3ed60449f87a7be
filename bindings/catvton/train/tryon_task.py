"""Training the UNet: CatVTON's attention on a frozen base, or more of it, or a small one from nothing."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch

from .. import weights
from .._native import C
from .distributed import Processes
from .export import save_scheduler, save_unet, save_vae
from .forward import training_forward
from .latents import draw, encode
from .losses import LossOptions, joined_condition, tryon_loss
from .networks import trained_names
from .randomness import shuffled
from .samples import Source
from .shards import Shards
from .sheets import masked, pixels, try_on, write_sheet


@dataclass(frozen=True)
class TryOnOptions:
    train: str = "attention"  # or transformer, unet
    dropout: float = 0.1  # of the garment's condition
    bf16: bool = False
    recompute: bool = False
    losses: LossOptions = field(default_factory=LossOptions)
    export_dtype: torch.dtype = torch.float32  # of a UNet; an attention checkpoint is float32, as published
    sheet_cases: int = 6
    sheet_steps: int = 20
    sheet_guidance: float = 1.0

    def __post_init__(self):
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be from 0 to below 1, got {self.dropout}")


class TryOnTask:
    """A `loop.Task`. Only the weights that train have gradients, and so optimizer state."""

    def __init__(
        self,
        unet: C.UNet,
        vae: C.VAE,
        scheduler: C.DDIMConfig,
        data: Source,
        options: TryOnOptions,
        seed: int,
        held_out: Source | None = None,
        cache: str | Path | None = None,
        processes: Processes | None = None,
        progress: bool = True,
    ):
        """unet, vae: float32. cache: a folder for what the VAE makes of `data`; None encodes at every visit."""
        if not C.is_masked(unet.config, vae.config):
            raise ValueError("the trainer trains masked models, of 9 input channels; this UNet is a mask-free one (8)")
        self.unet, self.vae, self.scheduler = unet, vae, scheduler
        self.data, self.held_out, self.options, self.seed = data, held_out, options, seed
        self.device = unet.parameters["conv_in.weight"].device
        self._completed: set[Path] = set()  # folders that hold what does not train
        names = trained_names(unet.config, list(unet.parameters), options.train)
        self.weights = {name: unet.parameters[name].requires_grad_() for name in names}
        self.forward = training_forward(unet, self.device, options.bf16, options.recompute)
        self.alphas_cumprod = torch.tensor(C.alphas_cumprod(scheduler), device=self.device)
        frozen = {name: tensor for name, tensor in unet.parameters.items() if name not in self.weights}
        vae_print = fingerprint(vae.parameters)
        self.course: dict[str, Any] = {
            **{name: value for name, value in asdict(options).items() if not name.startswith(("sheet", "export"))},
            "data": data.key,
            "frozen weights": fingerprint(frozen),
            "VAE": vae_print,
        }
        self.encoded: Shards | None = None
        if cache is not None:
            key = f"latents of {data.key} by the VAE {vae_print}" + (" in bfloat16" if options.bf16 else "")
            self.encoded = Shards(cache, key, len(data))
            processes = processes or Processes()
            shown = progress and processes.is_first
            self.encoded.build(self._encode, "latents", processes.rank, processes.world, shown)
            processes.wait()

    def loss(self, positions: range) -> torch.Tensor:
        indices = [shuffled(self.seed, position, len(self.data)) for position in positions]
        encoded = [self.encoded[i] if self.encoded is not None else self._encode(i) for i in indices]
        batch = draw(
            encoded,
            positions,
            self.seed,
            self.vae.config.scaling_factor,
            len(self.alphas_cumprod),
            self.options.dropout,
            self.device,
        )
        return tryon_loss(
            self.forward,
            batch.clean,
            batch.noise,
            batch.timesteps,
            self.alphas_cumprod,
            batch.mask,
            joined_condition(batch.masked_person, batch.garment, batch.dropped),
            self.options.losses,
        )

    def sheet(self, path: Path) -> None:
        """A row a held-out case: person, what is masked, garment, try-on, truth."""
        if self.held_out is None:
            return
        rows = []
        for index in range(min(self.options.sheet_cases, len(self.held_out))):
            case = self.held_out.tryon_case(index)
            result = try_on(
                self.unet,
                self.vae,
                self.scheduler,
                case,
                steps=self.options.sheet_steps,
                guidance=self.options.sheet_guidance,
                seed=index,
            )
            rows.append([pixels(case["person"]), masked(case), pixels(case["garment"]), result, pixels(case["truth"])])
        write_sheet(rows, path)

    def export(self, folder: Path) -> None:
        """attention/model.safetensors where only that trains; unet, vae and scheduler, a whole model, otherwise."""
        if self.options.train == "attention":
            weights.save_attention(self.unet, folder / "attention" / "model.safetensors", kind="masked")
            return
        save_unet(self.unet, folder / "unet", self.options.export_dtype)
        if folder not in self._completed:  # VAE and scheduler never change
            save_vae(self.vae, folder / "vae", self.vae.config.scaling_factor, self.options.export_dtype)
            save_scheduler(self.scheduler, folder / "scheduler")
            self._completed.add(folder)

    def _encode(self, index: int) -> dict[str, torch.Tensor]:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.options.bf16):
            return encode(self.vae, self.data.sample(index), self.device)


def fingerprint(tensors: dict[str, torch.Tensor]) -> str:
    """Tells weights apart: names, shapes, and the sum of magnitudes of each, in short."""
    import hashlib

    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {list(tensor.shape)} {float(tensor.detach().cpu().double().abs().sum()):.9e}\n".encode())
    return digest.hexdigest()[:16]
