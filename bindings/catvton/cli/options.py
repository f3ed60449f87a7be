"""What the commands that try garments on have in common: the models they load, the way they work, what they write."""

from __future__ import annotations

import argparse
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from .. import memory
from ..images import rgb_array
from ..presets import PRESETS, SOLVERS, Sampling, sampling
from .table import gib

if TYPE_CHECKING:
    import torch

    from ..results import Result
    from ..tryon import TryOn


def add_models(parser: argparse.ArgumentParser) -> None:
    models = parser.add_argument_group("models (`catvton info DIR` shows what a folder holds)")
    models.add_argument(
        "--models", metavar="DIR", help="a folder with base UNet, VAE and attention; demo: the small built-in model"
    )
    models.add_argument("--unet", type=Path, help="base UNet: a folder or file; wins over --models, as the next two do")
    models.add_argument("--vae", type=Path, help="VAE: a folder or file")
    models.add_argument("--attention", type=Path, help="CatVTON's trained attention: a folder or file")
    models.add_argument("--variant", help="which attention of --models: mix-48k-1024, vitonhd-16k-512, ...")
    models.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, mps, ... (%(default)s)")
    models.add_argument("--dtype", default="auto", choices=["auto", *memory.DTYPES], help="(%(default)s)")
    models.add_argument(
        "--weights-dtype",
        choices=["float8_e4m3", "int8"],
        help="keep the UNet's weights in eight bits; int8 computes in them, too, on a CPU with VNNI: faster",
    )
    models.add_argument(
        "--memory",
        default="auto",
        choices=["auto", "normal", "low", "minimal"],
        help="less memory for more time; auto takes what fits (%(default)s)",
    )


def add_work(parser: argparse.ArgumentParser, seed: str) -> Any:
    """Adds how a try-on is done, and returns the group of these arguments. seed: of what it is the seed."""
    work = parser.add_argument_group("how it is done")
    add_sampling(work)
    work.add_argument("--seed", type=int, default=42, help=f"{seed} (%(default)s)")
    work.add_argument(
        "--size", type=size, metavar="HEIGHTxWIDTH", help="the model's own: 1024x768 for the published ones"
    )
    work.add_argument(
        "--fit",
        default="pad",
        choices=["pad", "crop", "stretch"],
        help="how the person reaches that size (%(default)s)",
    )
    work.add_argument("--feather", metavar="LENGTH", help="softness of the seam: pixels, or 1%% of the longer side")
    work.add_argument("--protect", type=Path, metavar="FILE", help="a mask of what stays the person's own")
    work.add_argument(
        "--match-colour", action="store_true", help="fit the result's colours to the person's at the seam"
    )
    return work


def add_sampling(group: Any, default: Sampling | None = None) -> None:
    """Adds the options of `presets.Sampling`, which are None where they are not given, and the preset.

    default: what counts where no preset is named; None: the preset exact.
    """
    usual = default or PRESETS["exact"]
    group.add_argument(
        "--preset",
        choices=list(PRESETS),
        help="exact, or less time for a picture that is not the same; what is given beside it wins"
        + ("" if default else " (exact)"),
    )
    group.add_argument("--steps", type=int, help=f"denoising steps ({usual.steps}, or the preset's)")
    group.add_argument(
        "--guidance", type=float, help=f"how strictly to follow the garment ({usual.guidance}, or the preset's)"
    )
    group.add_argument("--eta", type=float, help=f"of ddim: fresh noise in each step, 0 for none ({usual.eta})")
    group.add_argument(
        "--solver", choices=SOLVERS, help=f"unipc and sde-dpm++ need fewer steps ({usual.solver}, or the preset's)"
    )
    group.add_argument(
        "--guidance-interval",
        type=float,
        nargs=2,
        metavar=("START", "STOP"),
        help="guidance only in this part of the steps, 0 to 1; the others take half the time",
    )
    group.add_argument(
        "--cache-interval", type=int, metavar="N", help="only one of N steps computes the whole UNet (1: off)"
    )
    group.add_argument(
        "--token-downsampling", type=int, metavar="N", help="tokens look at means over N by N tokens (1: off)"
    )
    group.add_argument(
        "--int8-scores",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="attention's queries and keys in eight bits, on a CPU with VNNI (off)",
    )


def sampling_of(args: argparse.Namespace, default: Sampling | None = None) -> Sampling:
    """What `add_sampling` asked for. Raises ValueError."""
    given = {field.name: getattr(args, field.name) for field in fields(Sampling)}
    return sampling(args.preset or "exact", None if args.preset else default, **given)


def size(text: str) -> tuple[int, int]:
    """ "1024x768" -> (1024, 768), height first."""
    if not (numbers := re.fullmatch(r"(\d+)[xX×](\d+)", text)):
        raise argparse.ArgumentTypeError(f"expected HEIGHTxWIDTH, such as 1024x768, got {text!r}")
    return int(numbers[1]), int(numbers[2])


def load(args: argparse.Namespace) -> TryOn:
    """The model that `args` name. What can be refused without one is refused before it is loaded."""
    if not (args.models or args.unet):
        raise ValueError(
            "which models? Give --models DIR (--models demo is built in), or --unet, --vae and --attention."
        )

    from .. import TryOn
    from ..paste_back import check_seam
    from ..preparation import check_size

    sampling_of(args)
    if args.size:
        check_size(*args.size)
    check_seam(args.feather, args.protect)
    return TryOn.load(
        args.models,
        unet=args.unet,
        vae=args.vae,
        attention=args.attention,
        variant=args.variant,
        device=args.device,
        dtype=args.dtype,
        weights_dtype=args.weights_dtype,
        memory=args.memory,
    )


def work_of(args: argparse.Namespace) -> dict[str, Any]:
    """The options of a call of `TryOn`, or of its `outfit`, that `add_work` asked for."""
    height, width = args.size or (None, None)
    names = ("seed", "fit", "feather", "protect", "match_colour", "memory")
    names += tuple(field.name for field in fields(Sampling))
    options = {name: getattr(args, name) for name in names} | {"height": height, "width": width}
    return options | {"preset": args.preset or "exact"}


def too_large(model: TryOn, args: argparse.Namespace, error: torch.OutOfMemoryError) -> MemoryError:
    height, width = args.size or model.native_size
    return MemoryError(
        f"not enough memory on {model.device} for {height}x{width} in {model.dtype} ({error}). "
        "`catvton info --memory` tells what other sizes need."
    )


def check_out(out: Path) -> None:
    """Raises ValueError where a picture cannot be written to `out`."""
    if out.is_dir():
        raise ValueError(f"--out {out} is a folder; give the name of the picture, such as {out / 'result.png'}")
    if out.suffix.lower() not in Image.registered_extensions():
        raise ValueError(f"--out {out}: {out.suffix or 'no ending'} is no picture format; use .png, .jpg or .webp")


def save(result: Result, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if Image.registered_extensions()[path.suffix.lower()] != "JPEG":
        result.save(path)
        return
    picture = Image.fromarray(rgb_array(result.pil))  # JPEG knows no transparency; white shows there
    picture.info = dict(result.pil.info)
    replace(result, image=picture).save(path, quality=95)


def peak(device: Any) -> str:
    import torch

    resident = memory.peak_resident()
    text = f"peak memory {gib(resident)}" if resident else "peak memory unknown"
    if device.type == "cuda":
        text += f", on the GPU {gib(torch.cuda.max_memory_allocated(device))}"
    return text
