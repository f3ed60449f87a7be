"""A model's own try-ons of training cases, as latents beside their truth: what its VAE's decoder meets in use.

A UNet's latents are not those of any picture: what it is unsure of, it has averaged. A decoder that has seen such
latents, and what they should have become, makes of them what is nearest to the truth. The encoder has no part in it.
"""

from __future__ import annotations

from pathlib import Path

import torch

from .. import weights
from .._native import C
from .distributed import Processes
from .networks import DECODER
from .samples import Source
from .shards import Shards
from .sheets import paint
from .tryon_task import fingerprint

STEPS, GUIDANCE = 10, 1.5


class TriedOn:
    """`count` try-ons of the first cases of `data`, made once; item i has

    latent: float32 [4, h, w], as the decoder takes it; truth: uint8 [3, H, W].
    """

    def __init__(
        self,
        model: str | Path,
        vae: C.VAE,
        data: Source,
        count: int,
        cache: str | Path,
        bf16: bool = False,
        processes: Processes | None = None,
        progress: bool = True,
    ):
        """model: a folder with UNet, attention, scheduler and VAE, or "demo". vae: float32; its encoder is the model's.
        cache: folder for the items; they are made now, unless they are there.

        Raises ValueError for a VAE of other latents, a mask-free model, and data whose try-ons have no known truth."""
        files = weights.find(model)
        unet = weights.load_unet(files.unet, files.attention, dtype="float32", device=vae.like.device)
        if not C.is_masked(unet.config, vae.config):
            raise ValueError(f"{model} is a mask-free model; --tried-on needs a masked one, of 9 input channels")
        theirs, encoder = (_encoder(v) for v in (weights.load_vae(files.vae, dtype="float32"), vae))
        if theirs != encoder:
            raise ValueError(f"the encoder of --vae is not {model}'s: its decoder would learn from other latents")
        how = f"{STEPS} steps, guidance {GUIDANCE}" + (", bfloat16" if bf16 else "")
        count = min(count, len(data))
        self.key = f"{count} try-ons of {data.key} by the UNet {fingerprint(unet.parameters)} and the encoder {encoder}"
        self.key += f", {how}"
        self.items = Shards(cache, self.key, count)
        scheduler = weights.load_scheduler(files.scheduler)

        def make(index: int) -> dict[str, torch.Tensor]:  # the UNet is not kept once all are there
            return try_on(unet, vae, scheduler, data, index, bf16)

        processes = processes or Processes()
        self.items.build(make, "try-ons", processes.rank, processes.world, progress and processes.is_first)
        processes.wait()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor]:
        return self.items[index]


def try_on(
    unet: C.UNet, vae: C.VAE, scheduler: C.DDIMConfig, data: Source, index: int, bf16: bool
) -> dict[str, torch.Tensor]:
    """The latent that the UNet makes of a case, and its truth; as an item of `TriedOn`."""
    case = data.tryon_case(index)
    if "truth" not in case:
        raise ValueError(f"{data.key}: the truth of its try-ons is not known, and --tried-on learns from it")
    joined: list[torch.Tensor] = []

    def keep(step: int, total: int, latents: torch.Tensor) -> None:
        if step == total:
            joined.append(latents.float().cpu())

    with torch.autocast(unet.like.device.type, torch.bfloat16, enabled=bf16):
        paint(unet, vae, scheduler, case, steps=STEPS, guidance=GUIDANCE, seed=index, on_step=keep)
    person = joined[0][0].chunk(2, 1)[0]  # [4, 2h, w]: person above garment
    return {"latent": (person / vae.config.scaling_factor).contiguous(), "truth": case["truth"]}


def _encoder(vae: C.VAE) -> str:
    weights_of_it = {name: tensor for name, tensor in vae.parameters.items() if not name.startswith(DECODER)}
    return f"{fingerprint(weights_of_it)}/{vae.config.scaling_factor:g}"
