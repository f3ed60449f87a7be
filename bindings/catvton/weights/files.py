"""Files of weights: opened, to see what they hold and read tensors from them memory-mapped; and written.

The format is told from a file's first bytes, never from its name: users rename. Parsing is safetensors' and torch's
own; pickles are read with weights_only=True, so that a file cannot run code.
"""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..atomic import replacing

FLOATS = {"F64": torch.float64, "F32": torch.float32, "BF16": torch.bfloat16, "F16": torch.float16}

_WORDS = {dtype: word for word, dtype in FLOATS.items()} | {
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}

# What the training framework of the original .ckpt files left in them, besides weights.
LEFTOVERS = (
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "pytorch_lightning.utilities.enums.PrecisionType",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.dtype",
)

_MAPPED_AT_ONCE = 64 * 2**20  # bytes read before a file is opened anew, which lets go of the pages read so far


class WeightsError(ValueError):
    """A file of weights that cannot be used; the message names it, what is wrong, and the fix."""


@dataclass(frozen=True)
class Entry:
    """One tensor of a file: its shape, and its dtype in safetensors' words ("F32")."""

    shape: tuple[int, ...]
    dtype: str

    @property
    def bytes(self) -> int:
        return prod(self.shape) * (FLOATS[self.dtype].itemsize if self.dtype in FLOATS else 1)


@dataclass(frozen=True)
class WeightsFile:
    """An opened file. `entries` and `metadata` are known without reading any tensor."""

    path: Path
    entries: dict[str, Entry]
    metadata: dict[str, str] = field(default_factory=dict)

    def read(self, keys: Iterable[str]) -> dict[str, torch.Tensor]:
        """The tensors named, as views of a mapping of the file where its format allows."""
        raise NotImplementedError

    def reader(
        self, keys: Iterable[str], dtype: torch.dtype, device: torch.device, *, packs: bool = False
    ) -> Callable[[str], torch.Tensor]:
        """Gives each of the tensors named once, in any order, in `dtype` on `device`.

        They are views of the file's mapping where nothing has to change. Pages of a mapping count as this process'
        memory until it is gone: where something has to change, or whoever reads `packs` matrices and lets go of what
        was given, the file is opened anew every 64 MB.
        """
        keys = list(keys)
        unchanged = device.type == "cpu" and all(FLOATS.get(self.entries[k].dtype) == dtype for k in keys)
        if unchanged and not packs:
            return self.read(keys).__getitem__
        return _Reader(self, keys, dtype, device)


class _Reader:
    def __init__(self, file: WeightsFile, keys: list[str], dtype: torch.dtype, device: torch.device):
        self.file, self.left, self.dtype, self.device = file, set(keys), dtype, device
        self.mapped: dict[str, torch.Tensor] = {}
        self.bytes = 0

    def __call__(self, key: str) -> torch.Tensor:
        if self.bytes >= _MAPPED_AT_ONCE or not self.mapped:
            self.mapped.clear()
            self.mapped, self.bytes = self.file.read(self.left), 0
        self.left.remove(key)
        self.bytes += self.file.entries[key].bytes
        tensor = self.mapped.pop(key)
        return tensor.to(self.device, self.dtype, copy=tensor.ndim < 2)  # vectors are kept as they are


class SafetensorsFile(WeightsFile):
    def read(self, keys: Iterable[str]) -> dict[str, torch.Tensor]:
        with safe_open(self.path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in keys}


class TorchFile(WeightsFile):
    def read(self, keys: Iterable[str]) -> dict[str, torch.Tensor]:
        state = _torch_load(self.path, mmap=True)
        return {key: state[key] for key in keys}


@dataclass(frozen=True)
class UnmappedTorchFile(WeightsFile):
    """One that torch cannot map, read whole, once: as torch before 1.6 wrote it, or named like a safetensors file."""

    state: dict[str, torch.Tensor] = field(default_factory=dict, repr=False)

    def read(self, keys: Iterable[str]) -> dict[str, torch.Tensor]:
        return {key: self.state[key] for key in keys}


def open_weights(path: str | Path) -> WeightsFile:
    """Opens a .safetensors, .bin, .pt or .ckpt file, whatever it is called.

    Raises FileNotFoundError, and WeightsError where it is no file of weights or a damaged one.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path}: no such file" if not path.is_dir() else f"{path} is a folder, not a file of weights"
        )
    with open(path, "rb") as file:
        start = file.read(512)
    size = path.stat().st_size
    if size == 0:
        raise WeightsError(f"{path} is empty (0 bytes): download it again.")
    if start.startswith(b"version https://git-lfs"):
        raise WeightsError(
            f"{path} is a git-lfs pointer, not the weights themselves: run `git lfs pull`, or download it."
        )
    if start.lstrip().lower().startswith((b"<!doctype", b"<html", b"<?xml", b"<head")):
        raise WeightsError(
            f"{path} is a web page, not weights: the download led to a login or error page. Download the file itself."
        )
    if start.startswith(b"GGUF"):
        raise WeightsError(f"{path} is a GGUF file, which is not supported: use .safetensors, .bin or .ckpt weights.")
    if start.startswith(b"PK\x03\x04") or start.startswith(b"\x80\x02"):
        return _open_torch(path, start)
    if start[8:9] == b"{" or path.suffix == ".safetensors":
        return _open_safetensors(path, size)
    raise WeightsError(
        f"{path} is neither a safetensors nor a PyTorch file (it begins with {start[:8]!r}): download it again."
    )


def save_tensors(tensors: dict[str, torch.Tensor], path: str | Path, metadata: dict[str, str] | None = None) -> None:
    """Writes a .safetensors file, which appears under its name only when it is complete. Raises OSError."""
    with replacing(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"format": "pt"} | (metadata or {}))
        except SafetensorError as error:
            raise OSError(f"{path} could not be written: {error}") from error


def _open_safetensors(path: Path, size: int) -> SafetensorsFile:
    try:
        with safe_open(path, framework="pt") as file:
            slices = {key: file.get_slice(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
            entries = {key: Entry(tuple(s.get_shape()), s.get_dtype()) for key, s in slices.items()}
            return SafetensorsFile(path, entries, file.metadata() or {})
    except (SafetensorError, UnicodeDecodeError) as error:
        raise WeightsError(
            f"{path} is a damaged or truncated safetensors file of {size:,} bytes ({error}): download it again."
        ) from error


def _open_torch(path: Path, start: bytes) -> WeightsFile:
    zipped = start.startswith(b"PK")
    if zipped:
        _check_zip(path)
    mmap = zipped and path.suffix != ".safetensors"  # torch takes the suffix for the format, from 2.14 on
    state = _torch_load(path, mmap=mmap)
    if mmap:
        return TorchFile(path, _torch_entries(state))
    return UnmappedTorchFile(path, _torch_entries(state), state=state)


def _check_zip(path: Path) -> None:
    """Checks the checksums of what says which tensor lies where; torch itself does not."""
    try:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if "/data/" not in name:
                    archive.read(name)
    except Exception as error:  # BadZipFile, and whatever damaged fields lead to
        raise WeightsError(f"{path} is a damaged or truncated PyTorch file ({error}): download it again.") from error


class _Leftover:
    """Stands in for a class of a training framework, and does nothing."""

    def __new__(cls, *args, **kwargs):
        return super().__new__(cls)

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass


def _torch_load(path: Path, *, mmap: bool) -> dict[str, torch.Tensor]:
    try:
        with torch.serialization.safe_globals([(_Leftover, name) for name in LEFTOVERS]), open(path, "rb") as file:
            state = torch.load(path if mmap else file, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError as error:
        foreign = re.search(r"unsupported (?:global: )?GLOBAL (\S+)", str(error), re.IGNORECASE)
        what = f"holds more than weights ({foreign[1]})" if foreign else "is damaged, or holds more than weights"
        raise WeightsError(f"{path} {what}, and is not opened: use a .safetensors file.") from error
    except Exception as error:  # a damaged pickle fails in any way: KeyError, EOFError, RuntimeError, ...
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        raise WeightsError(f"{path} is a damaged or truncated PyTorch file ({reason}): download it again.") from error
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict):
        raise WeightsError(f"{path} holds a {type(state).__name__}, not named weights.")
    return {key: tensor for key, tensor in state.items() if isinstance(key, str) and isinstance(tensor, torch.Tensor)}


def _torch_entries(state: dict[str, torch.Tensor]) -> dict[str, Entry]:
    return {
        key: Entry(tuple(tensor.shape), _WORDS.get(tensor.dtype, str(tensor.dtype))) for key, tensor in state.items()
    }
