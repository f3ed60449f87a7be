"""What a training run wrote, as the model that comes with the package: base and attention, as CatVTON is published.

    unet/  vae/  scheduler/          the base; its self-attentions are zeros, which leave a picture as it is
    attention/model.safetensors      the trained self-attentions, in the published names
    training.json  README.md         where it comes from

All weights are float16. The native size stands in the metadata of both UNet files.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from .. import weights
from .._native import C
from ..atomic import folder_beside, write_json
from ..preparation import check_size
from ..weights.native_size import SIZE_KEY
from .export import save_scheduler, save_unet, save_vae
from .networks import DECODER

MOST_BYTES = 16 * 2**20  # of the whole folder

CARD = """\
# The demo model

A small CatVTON for pictures of {height}x{width}: {unet:,} parameters in the UNet, {vae:,} in the VAE, trained from
nothing on catvton's own drawn people and garments. It shows how the engine is used; it knows no photographs.

Made with `catvton train` and packed with `scripts/pack_demo_model.py`. No weights, pictures or data of anyone else went
into it. Its licence is the code's, Apache-2.0.{scores}
"""
CARD_SCORES = """

Measured on held-out cases, {steps} steps, guidance {guidance:g} (docs/training.md tells what each number is):

```
{scores}
```"""


@dataclass(frozen=True)
class Packed:
    folder: Path
    size: tuple[int, int]  # height, width
    bytes: int


def pack_demo(
    run: str | Path,
    out: str | Path,
    *,
    decoder: str | Path | None = None,
    size: tuple[int, int] | None = None,
    scores: str | Path | None = None,
) -> Packed:
    """Packs the unet, vae and scheduler in `run`, the folder of a `catvton train --train unet`, into folder `out`.

    decoder: folder of a `catvton train vae --decoder-only` of that VAE, whose VAE is packed instead.
    size: (height, width) the model is for; None: that of the run, from its arguments.json.
    scores: the metrics.json of a `catvton evaluate` of this model, packed or in float16; kept in training.json.
    `out` appears, or replaces an older one, only when it is complete and was read back.

    Raises FileNotFoundError and ValueError for a run that is not one, a decoder of other latents, weights that float16
    cannot hold, scores of another model, and a model of more than 16 MiB.
    """
    run, out = Path(run), Path(out)
    recipe = _read(run / "arguments.json")
    if size is None:
        if "size" not in recipe:
            raise ValueError(f"{run}: no arguments.json that tells the size of the pictures; give size=(height, width)")
        size = (recipe["size"][0], recipe["size"][1])
    check_size(*size)
    unet, vae = weights.load_unet(run / "unet"), weights.load_vae(run / "vae")
    if decoder is not None:
        vae = _with_decoder(vae, Path(decoder))
    _check_float16(unet.parameters | vae.parameters, run)
    found = {
        "size": list(size),
        "steps_trained": _last_step(run),
        "recipe": recipe,
        "decoder": None if decoder is None else _read(Path(decoder) / "arguments.json"),
        "scores": None if scores is None else json.loads(Path(scores).read_text(encoding="utf-8")),
    }
    with folder_beside(out) as temporary:
        _write(temporary, unet, vae, weights.load_scheduler(run / "scheduler"), size, found)
        _check_read_back(temporary, unet, vae, size)
        _check_scores(temporary, found["scores"])
        total = sum(path.stat().st_size for path in temporary.rglob("*") if path.is_file())
        if total > MOST_BYTES:
            raise ValueError(f"{run}: packed, the model takes {total:,} bytes; at most {MOST_BYTES:,} may be shipped")
        _swap(temporary, out)
    return Packed(out, size, total)


def _with_decoder(vae: C.VAE, run: Path) -> C.VAE:
    other = weights.load_vae(run / "vae")
    for name, weight in vae.parameters.items():
        if not name.startswith(DECODER) and not torch.equal(weight.half(), other.parameters[name].half()):
            raise ValueError(f"{run}: its encoder is not the run's ({name}): the decoder is for other latents")
    return other


def _write(folder: Path, unet: C.UNet, vae: C.VAE, scheduler: C.DDIMConfig, size, found: dict[str, Any]) -> None:
    named = {SIZE_KEY: f"{size[0]}x{size[1]}"}
    attentions = tuple(f"{module}." for module in unet.config.self_attentions)
    neutral = {
        name: torch.zeros_like(weight) if name.startswith(attentions) else weight
        for name, weight in unet.parameters.items()
    }
    half = torch.float16
    save_unet(C.UNet(neutral, unet.config), folder / "unet", half, is_base=True, metadata=named)
    path = folder / "attention" / "model.safetensors"
    weights.save_attention(unet, path, kind="masked", dtype=half, metadata=named)
    save_vae(vae, folder / "vae", vae.config.scaling_factor, half)
    save_scheduler(scheduler, folder / "scheduler")
    write_json(folder / "training.json", found)
    shown = ""
    if scores := found["scores"]:
        from ..evaluate.report import text

        shown = CARD_SCORES.format(steps=scores["steps"], guidance=scores["guidance"], scores=text(scores))
    counts = {"unet": _count(unet), "vae": _count(vae), "height": size[0], "width": size[1]}
    (folder / "README.md").write_text(CARD.format(**counts, scores=shown), encoding="utf-8")


def _check_read_back(folder: Path, unet: C.UNet, vae: C.VAE, size: tuple[int, int]) -> None:
    """As `TryOn.load` reads it, the model has the run's weights, rounded to float16."""
    files = weights.find(folder)
    pairs = ((weights.load_unet(files.unet, files.attention), unet), (weights.load_vae(files.vae), vae))
    for read, written in pairs:
        for name, weight in written.parameters.items():
            assert torch.equal(read.parameters[name], weight.half().float()), name
    assert weights.native_size(files) == size


def _check_scores(folder: Path, scores: dict[str, Any] | None) -> None:
    from ..evaluate.run import model_key
    from ..tryon import TryOn

    if scores and scores["model"] != model_key(TryOn.load(folder, device="cpu", dtype="float32")):
        raise ValueError("the scores are another model's: pack without them, evaluate that, and pack again with them")


def _check_float16(parameters: dict[str, torch.Tensor], run: Path) -> None:
    lost = [name for name, weight in parameters.items() if not weight.half().isfinite().all()]
    if lost:
        raise ValueError(f"{run}: float16 cannot hold {', '.join(lost[:3])}: NaN, infinite or beyond 65504")


def _swap(new: Path, place: Path) -> None:
    """`new` takes the place of `place`, which comes back where that fails."""
    old = place.with_name(f".{place.name}.old-{os.getpid()}")
    if place.exists():
        place.rename(old)
    try:
        new.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _last_step(run: Path) -> int | None:
    log = run / "log.csv"
    lines = log.read_text(encoding="utf-8").split() if log.is_file() else []
    step = lines[-1].split(",")[0] if lines else ""
    return int(step) if step.isdigit() else None


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    options = json.loads(path.read_text(encoding="utf-8"))
    return {name: value for name, value in options.items() if name not in _PLACES}  # a machine's folders say nothing


_PLACES = (
    "out",
    "base",
    "vae",
    "cache",
    "attention",
    "scheduler",
    "data",
    "tried_on",
    "device",
    "threads",
    "quiet",
    "resume",
    "debug",
)


def _count(network: C.UNet | C.VAE) -> int:
    return sum(weight.numel() for weight in network.parameters.values())
