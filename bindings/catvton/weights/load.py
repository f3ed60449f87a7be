"""Files to models: names translated, config read or inferred, everything checked, and only then any tensor read.

The check runs the strict load on the `meta` device, so a file that does not fit costs nothing and leaves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from functools import partial
from pathlib import Path
from typing import Any

import torch

from .._native import C
from ..devices import resolve_device, resolve_dtype
from . import config as configs
from .attention import KINDS, attention_keys, check_kind
from .files import FLOATS, Entry, WeightsError, WeightsFile, open_weights
from .find import attention_file, weights_file
from .inspect import must_be

MISFIT = "weights do not fit the model:"  # as C++ says it

BASES = {
    4: "the text-to-image base. CatVTON needs the inpainting base (9 channels) or instruct-pix2pix (8)",
    5: "a depth-to-image base. CatVTON needs the inpainting base (9 channels) or instruct-pix2pix (8)",
}


def load_unet(
    path: str | Path,
    attention: str | Path | None = None,
    *,
    dtype: str | torch.dtype = "float32",
    device: str | torch.device = "cpu",
    kind: str | None = None,
    pack: bool = False,
    int8: bool = False,
) -> C.UNet:
    """The UNet in a file or folder, with CatVTON's trained self-attentions in place of its own.

    path: a .safetensors, .bin or .ckpt file in diffusers' or the original spelling (a whole checkpoint too), or a
        folder that holds diffusion_pytorch_model.*. A config.json beside the file is read.
    attention: CatVTON's attention checkpoint, a file or its folder. None keeps the UNet's own.
    dtype: "float32", "bfloat16" or "float16". In the file's own dtype, on the CPU, weights stay memory-mapped.
    kind: "masked" or "mask-free", where the attention file's metadata and path tell it wrongly.
    pack: for inference alone. On a CPU, weights are then kept in the layout that its kernels want, where it has such.
    int8: packed, and matrices and convolutions are rounded to eight bits (docs/performance.md): for a CPU with VNNI, in
        float32 or bfloat16.

    Raises FileNotFoundError, and WeightsError naming the file and every weight that is missing, unexpected or
    misshapen; ValueError where there is no int8.
    """
    device = resolve_device(device)
    dtype = resolve_dtype(dtype, device)
    if kind is not None and kind not in KINDS.values():
        raise ValueError(f"kind: expected {' or '.join(KINDS.values())}, got {kind!r}")
    if int8 and (device.type != "cpu" or dtype == torch.float16):
        raise ValueError(f"int8 weights are for a CPU, in float32 or bfloat16; got device {device} and {dtype}")
    file = open_weights(weights_file(path, half=dtype == torch.float16))
    must_be(file, "a UNet")
    network = _Network(file, C.names.unet_name, dtype)
    config = network.config("UNet2DConditionModel", C.UNetConfig, configs.unet_config)
    network.check(C.UNet, config)
    base = KINDS.get(config.in_channels)
    if base is None:
        what = BASES.get(
            config.in_channels, "not a base of CatVTON, which needs 9 (inpainting) or 8 (instruct-pix2pix)"
        )
        raise WeightsError(f"{file.path}: this UNet has {config.in_channels} input channels: {what}.")
    made = C.UNet.int8 if int8 else partial(C.UNet, pack=pack)
    packs = pack or int8
    if attention is None:
        return made(_Unread(network.readers(device, packs)), config)

    trained = _Attention(open_weights(attention_file(attention)), config, dtype)
    check_kind(trained.file, base, kind)
    trained.check(network.shapes)
    network.drop(trained.keys)
    return made(_Unread(network.readers(device, packs) | trained.readers(device, packs)), config)


def load_vae(
    path: str | Path,
    *,
    dtype: str | torch.dtype = "float32",
    device: str | torch.device = "cpu",
    pack: bool = False,
) -> C.VAE:
    """The VAE in a file or folder: diffusers' (old or new attention names), the original's, or a whole checkpoint.

    Arguments and errors as for `load_unet`.
    """
    device = resolve_device(device)
    dtype = resolve_dtype(dtype, device)
    file = open_weights(weights_file(path, half=dtype == torch.float16))
    must_be(file, "a VAE")
    network = _Network(file, C.names.vae_name, dtype)
    config = network.config("AutoencoderKL", C.VAEConfig, configs.vae_config)
    network.check(C.VAE, config)
    return C.VAE(_Unread(network.readers(device, pack)), config, pack)


def load_scheduler(path: str | Path | None) -> C.DDIMConfig:
    """The noise schedule in a scheduler_config.json, or the folder that holds it; SD 1.5's for None."""
    if path is None:
        return C.DDIMConfig()
    path = Path(path)
    path = path / "scheduler_config.json" if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file. It lies in the folder `scheduler` of the base model.")
    return configs.scheduler_config(path)


def to(
    model: Any,
    dtype: str | torch.dtype | None = None,
    device: str | torch.device | None = None,
    *,
    pack: bool = False,
):
    """The same UNet or VAE in another dtype or on another device; the given model is left as it is.

    pack: as for `load_unet`.
    """
    device = model.like.device if device is None else resolve_device(device)
    dtype = model.like.dtype if dtype is None else resolve_dtype(dtype, device)
    return type(model)({name: t.to(device, dtype) for name, t in model.parameters.items()}, model.config, pack)


class _Network:
    """One network's weights in a file: engine name -> key in the file."""

    def __init__(self, file: WeightsFile, name_of: Callable, dtype: torch.dtype):
        self.file, self.dtype = file, dtype
        spelling = C.names.spelling(list(file.entries))
        self.keys: dict[str, str] = {}
        for key in file.entries:
            if (name := name_of(key, spelling)) is None:
                continue
            if name in self.keys:
                raise WeightsError(f"{file.path}: {self.keys[name]} and {key} are two weights for {name}.")
            self.keys[name] = key
        self.shapes = {name: _squeezed(name, file.entries[key]) for name, key in self.keys.items()}
        if not self.keys:
            raise WeightsError(
                f"{file.path} ({len(file.entries)} tensors) does not hold the network that is needed here."
            )

    def config(self, class_name: str, infer: type, read: Callable[[Path], object]):
        """From the config.json beside the file if that is this network's, else from the weights' shapes."""
        beside = self.file.path.parent / "config.json"
        alone = C.names.spelling(list(self.file.entries)) != C.names.Spelling.checkpoint
        if alone and beside.is_file() and configs.read_json(beside).get("_class_name", class_name) == class_name:
            return read(beside)
        try:
            config = infer.infer(self.shapes)
        except (ValueError, IndexError) as error:
            raise WeightsError(f"{self.file.path}: {error}") from error
        if getattr(config, "use_linear_projection", False):
            raise WeightsError(
                f"{self.file.path}: proj_in is linear, as in Stable Diffusion 2, whose number of heads the weights do "
                "not tell. Put the UNet's config.json beside it."
            )
        return config

    def check(self, model: type, config) -> None:
        """The strict load, without data."""
        problems = _dtype_problems(self.file, self.keys.values())
        try:
            meta = {name: torch.empty(shape, dtype=self.dtype, device="meta") for name, shape in self.shapes.items()}
            model(meta, config)
        except ValueError as error:
            problems.insert(0, str(error).removeprefix(MISFIT).lstrip())
        if problems:
            raise WeightsError(f"{self.file.path}: {MISFIT}\n  " + "\n  ".join(problems))

    def drop(self, names) -> None:
        self.keys = {name: key for name, key in self.keys.items() if name not in names}

    def readers(self, device: torch.device, packs: bool) -> dict[str, Callable[[], torch.Tensor]]:
        read = self.file.reader(self.keys.values(), self.dtype, device, packs=packs)
        return {name: lambda n=name, k=key: read(k).reshape(self.shapes[n]) for name, key in self.keys.items()}


class _Attention:
    """The attention checkpoint against a UNet's config."""

    def __init__(self, file: WeightsFile, config: C.UNetConfig, dtype: torch.dtype):
        must_be(file, "a CatVTON attention checkpoint")
        self.file, self.dtype = file, dtype
        self.modules = config.self_attentions
        self.keys = attention_keys(file, config)

    def check(self, unet: dict[str, tuple[int, ...]]) -> None:
        """Raises WeightsError listing what is missing, unexpected or misshapen."""
        problems = _dtype_problems(self.file, [key for aliases in self.keys.values() for key in aliases])
        wanted = {name: shape for name, shape in unet.items() if name.split(".attn1.")[0] + ".attn1" in self.modules}
        for index, module in enumerate(self.modules):
            for name, shape in wanted.items():
                if name.startswith(module + ".") and name not in self.keys:
                    weight = name.removeprefix(module + ".")
                    problems.append(
                        f"missing {C.names.published_attention_name(index, weight)} {_text(shape)}, for {name}"
                    )
        for name, aliases in self.keys.items():
            for key in aliases:
                got = self.file.entries[key].shape
                if name not in wanted:
                    problems.append(f"unexpected {key} {_text(got)}")
                elif got != wanted[name]:
                    problems.append(f"{key}: expected {_text(wanted[name])}, got {_text(got)}, for {name}")
        if problems:
            raise WeightsError(
                f"{self.file.path}: weights do not fit the self-attentions of the base UNet:\n  "
                + "\n  ".join(problems)
            )
        for name, aliases in self.keys.items():
            if len(aliases) > 1:
                self._check_equal(name, aliases)

    def _check_equal(self, name: str, aliases: list[str]) -> None:
        first, *others = self.file.read(aliases).values()
        if not all(first.equal(other) for other in others):
            raise WeightsError(
                f"{self.file.path}: {' and '.join(aliases)} are names of {name}, and their values differ."
            )

    def readers(self, device: torch.device, packs: bool) -> dict[str, Callable[[], torch.Tensor]]:
        keys = {name: aliases[0] for name, aliases in self.keys.items()}
        read = self.file.reader(keys.values(), self.dtype, device, packs=packs)
        return {name: partial(read, key) for name, key in keys.items()}


class _Unread(MutableMapping[str, torch.Tensor]):
    """Weights by name, each read from its file when it is asked for, once."""

    def __init__(self, readers: dict[str, Callable[[], torch.Tensor]]):
        self._readers = readers

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._readers[name]()

    def __setitem__(self, name: str, tensor: torch.Tensor) -> None:
        self._readers[name] = lambda: tensor

    def __delitem__(self, name: str) -> None:
        del self._readers[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)


def _squeezed(name: str, entry: Entry) -> tuple[int, ...]:
    """A VAE's attention is spelled with 1x1 convolutions originally, and with linear layers in diffusers."""
    if ".attentions." in name and ".to_" in name and len(entry.shape) == 4 and entry.shape[2:] == (1, 1):
        return entry.shape[:2]
    return entry.shape


def _dtype_problems(file: WeightsFile, keys) -> list[str]:
    dtypes = {key: file.entries[key].dtype for key in keys}
    return [f"{k}: expected float32, bfloat16 or float16, got {d}" for k, d in dtypes.items() if d not in FLOATS]


def _text(shape: tuple[int, ...]) -> str:
    return str(list(shape))
