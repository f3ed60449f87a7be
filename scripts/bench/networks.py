"""UNet, VAE and loading: against diffusers with the same weights (shared, not copied), dtype, device and threads."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import diffusers
import torch
from rounds import Rounds, Row
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from catvton import weights

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
import support

diffusers.utils.logging.set_verbosity_error()  # it warns about casts that nothing here needs

SD15_UNET = {
    "block_out_channels": (320, 640, 1280, 1280),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "layers_per_block": 2,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
}
SD15_VAE = {
    "block_out_channels": (128, 256, 512, 512),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
}
# name -> UNet, VAE, picture (height, width). All have SD 1.5's layout; the smaller ones have fewer channels.
SIZES = {
    "quick": (
        SD15_UNET | {"block_out_channels": (32, 64, 128, 128)},
        SD15_VAE | {"block_out_channels": (32, 64, 128, 128)},
        (128, 96),
    ),
    "small": (
        SD15_UNET | {"block_out_channels": (128, 192, 320, 320)},
        SD15_VAE | {"block_out_channels": (32, 64, 128, 128)},
        (512, 384),
    ),
    "full at 512x384": (SD15_UNET, SD15_VAE, (512, 384)),
    "full": (SD15_UNET, SD15_VAE, (1024, 768)),
}

GATES = {torch.float32: 1e-4, torch.float16: 1e-1, torch.bfloat16: 1e-1}  # of half types, both results are rounded


def rows(rounds: Rounds, size: str, device: torch.device, dtype: torch.dtype, compiled: bool = False) -> Iterator[Row]:
    """compiled: the UNet also against diffusers through torch.compile."""
    unet_config, vae_config, (height, width) = SIZES[size]
    yield from _unet(rounds, unet_config, (height, width), device, dtype, size, compiled)
    yield from _vae(rounds, vae_config, (height, width), device, dtype, size)


@torch.inference_mode()
def _unet(rounds, config, picture, device, dtype, size, compiled) -> Iterator[Row]:
    theirs = support.diffusers_unet(**config).to(device, dtype)
    ours = support.native_unet(theirs, pack=True)
    sample = torch.randn(1, 9, 2 * picture[0] // 8, picture[1] // 8, device=device).to(dtype)  # person above garment
    step = torch.tensor([501], device=device)
    check_same_work("UNet", ours(sample, step), support.run_unet(theirs, sample, step), GATES[dtype])
    with torch.device("meta"):
        blank = support.diffusers_unet(**config)
        work = operations(lambda: support.run_unet(blank, torch.empty(sample.shape), torch.empty(1)))
    yield rounds.compare(
        f"UNet step, {size} ({_millions(theirs)} M) for {picture[1]}x{picture[0]}",
        "diffusers",
        lambda: ours(sample, step),
        lambda: support.run_unet(theirs, sample, step),
        work,
    )
    if compiled:
        faster = torch.compile(theirs.to(memory_format=torch.channels_last))
        last = sample.to(memory_format=torch.channels_last)
        yield rounds.compare(
            f"UNet step, {size}, as above",
            "diffusers, compiled, channels last",
            lambda: ours(sample, step),
            lambda: support.run_unet(faster, last, step),
            work,
        )
    if device.type == "cpu":
        yield _loading(rounds, support.unet_weights(theirs), size)


@torch.inference_mode()
def _vae(rounds, config, picture, device, dtype, size) -> Iterator[Row]:
    theirs = support.diffusers_vae(**config).to(device, dtype)
    ours = support.native_vae(theirs, pack=True)
    latents = torch.randn(1, 4, picture[0] // 8, picture[1] // 8, device=device).to(dtype)
    check_same_work("VAE", ours.decode(latents), theirs.decode(latents).sample, GATES[dtype])
    with torch.device("meta"):
        blank = support.diffusers_vae(**config)
        work = operations(lambda: blank.decode(torch.empty(latents.shape)))
    yield rounds.compare(
        f"VAE decode, {size} ({_millions(theirs)} M) of {picture[1]}x{picture[0]}",
        "diffusers",
        lambda: ours.decode(latents),
        lambda: theirs.decode(latents).sample,
        work,
    )


def _loading(rounds: Rounds, tensors: dict[str, torch.Tensor], size: str) -> Row:
    """From a file to a model whose every weight was read, against reading the file: both from the system's cache."""
    dtype = next(iter(tensors.values())).dtype
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "unet.safetensors"
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, path)
        megabytes = path.stat().st_size // 10**6

        def load() -> None:
            for tensor in weights.load_unet(path, dtype=dtype).parameters.values():
                tensor.view(-1)[::1024].sum()  # touches every page: the file is memory-mapped

        return rounds.compare(f"loading the UNet, {size} ({megabytes} MB)", "reading the file", load, path.read_bytes)


def check_same_work(what: str, ours: torch.Tensor, theirs: torch.Tensor, gate: float) -> None:
    """gate: the most that they may differ by, of the largest value."""
    if (found := support.error(ours, theirs)) > gate:
        raise RuntimeError(f"{what}: they differ by {found:.1e} of the largest value, expected at most {gate:.0e}")


def _millions(model: torch.nn.Module) -> int:
    return round(sum(p.numel() for name, p in model.named_parameters() if ".attn2." not in name) / 1e6)


def operations(call: Callable[[], object]) -> float:
    """Floating point operations of a call. On the meta device: torch's counter overlooks the CPU's attention."""
    with FlopCounterMode(display=False) as counter:
        call()
    return float(counter.get_total_flops())
