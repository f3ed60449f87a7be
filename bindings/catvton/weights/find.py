"""Where models lie on disk: the layouts that users have, no deeper than they go, and nothing from the network."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from .attention import MASKED_NAMES, METADATA_KEY, attention_kind
from .built_in import model_folder
from .config import read_json
from .files import WeightsError, open_weights
from .inspect import FileSummary, inspect

STANDARD_NAME = "diffusion_pytorch_model"
DEPTH = 6  # folders below the given one: hub/models--<owner>--<name>/snapshots/<hash>/<variant>/attention
SINGLE_FILE_DEPTH = 2  # single-file checkpoints are looked into only near the top
SINGLE_FILE_SUFFIXES = (".safetensors", ".ckpt")

LAYOUT = """
  unet/diffusion_pytorch_model.safetensors    the base UNet: SD 1.5 inpainting, or instruct-pix2pix for mask-free
  vae/diffusion_pytorch_model.safetensors     sd-vae-ft-mse
  mix-48k-1024/attention/model.safetensors    CatVTON's trained attention
  scheduler/scheduler_config.json             the base's (optional)"""


@dataclass(frozen=True)
class ModelFiles:
    """Files or folders for load_unet, load_vae and load_scheduler.

    `attention` is None only for a UNet that says itself that it is trained; `scheduler` None means SD 1.5's.
    """

    unet: Path
    vae: Path
    attention: Path | None
    scheduler: Path | None


def find(
    folder: str | Path | None = None,
    *,
    unet: str | Path | None = None,
    vae: str | Path | None = None,
    attention: str | Path | None = None,
    scheduler: str | Path | None = None,
    variant: str | None = None,
) -> ModelFiles:
    """Finds the parts of CatVTON in a folder: diffusers' layout, one file a network, or whole checkpoints.

    folder: "demo" is the model that comes with the package (`model_folder`).
    unet, vae, attention, scheduler: parts named one by one; these win over what the folder holds.
    variant: which attention of the folder, a name in its path ("vitonhd-16k-512"); left out, mix-48k-1024 comes first.

    Raises FileNotFoundError listing what was found and where each part belongs, and WeightsError where several files
    could be meant.
    """
    if folder is not None:
        folder = model_folder(folder)
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: no such folder. It should hold:{LAYOUT}")
    found = _Found(folder) if folder is not None else None
    unet, vae, attention, scheduler = (part and Path(part) for part in (unet, vae, attention, scheduler))
    unet = unet or (found and found.unet())
    base = inspect(weights_file(unet)) if unet else None
    vae = vae or (found and found.vae()) or (unet if base and base.vae_parameters else None)
    if found:
        attention = attention or found.attention(base and base.kind, variant)
        scheduler = scheduler or found.scheduler(unet)

    missing = [name for name, path in (("UNet", unet), ("VAE", vae)) if path is None]
    if found and attention is None and not (base and METADATA_KEY in base.metadata):
        missing.append("attention")
    if missing:
        where = f"{folder}: no {' and no '.join(missing)} here.{found.report()}" if found else f"no {missing[0]} given."
        raise FileNotFoundError(f"{where}\nA folder of CatVTON holds:{LAYOUT}")
    return ModelFiles(unet, vae, attention, scheduler)


class _Found:
    """Everything in a folder that could be a part."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.unets: list[Path] = []
        self.vaes: list[Path] = []
        self.attentions: list[Path] = []
        self.schedulers: list[Path] = []
        self.singles: dict[Path, FileSummary] = {}
        self.unusable: list[str] = []
        for path, names in _folders(folder):
            if "scheduler_config.json" in names:
                self.schedulers.append(path / "scheduler_config.json")
            if _standard_files(path):
                self._add_network(path, names)
            elif path.name == "attention" and "model.safetensors" in names:
                self.attentions.append(path / "model.safetensors")
            elif len(path.relative_to(folder).parts) <= SINGLE_FILE_DEPTH:
                self._add_singles(path, names)

    def _add_network(self, path: Path, names: set[str]) -> None:
        class_name = read_json(path / "config.json").get("_class_name") if "config.json" in names else None
        if class_name == "UNet2DConditionModel" or (class_name is None and "unet" in path.name.lower()):
            self.unets.append(path)
        elif class_name == "AutoencoderKL" or (class_name is None and "vae" in path.name.lower()):
            self.vaes.append(path)

    def _add_singles(self, path: Path, names: set[str]) -> None:
        files = [path / name for name in sorted(names)]
        for file in sorted(files, key=lambda file: file.suffix != ".safetensors"):
            twin = file.with_suffix(".safetensors")  # the same checkpoint, published in two formats
            if file.suffix not in SINGLE_FILE_SUFFIXES or (file != twin and twin in self.singles):
                continue
            try:
                self.singles[file] = inspect(file)
            except WeightsError as error:
                self.unusable.append(str(error))

    def _single(self, fits: Callable[[FileSummary], object]) -> list[Path]:
        return [path for path, summary in self.singles.items() if fits(summary)]

    def unet(self) -> Path | None:
        """diffusers' folder, else a file with a UNet alone, else a whole checkpoint."""
        for paths in (
            self.unets,
            self._single(lambda s: s.what == "a UNet"),
            self._single(lambda s: s.unet_parameters and s.vae_parameters),
        ):
            if paths:
                return self._one("UNets", paths)
        return None

    def vae(self) -> Path | None:
        """sd-vae-ft-mse before any other, as the reference takes it whatever the base brings; else `vae`."""
        alone = self.vaes + self._single(lambda s: s.what == "a VAE")
        return self._one("VAEs", alone, lambda p: ("ft-mse" not in str(p), p.name != "vae")) if alone else None

    def attention(self, base: str | None, variant: str | None) -> Path | None:
        paths = self.attentions + self._single(lambda s: s.what == "a CatVTON attention checkpoint")
        if variant is not None:
            named = [path for path in paths if variant in (*path.relative_to(self.folder.parent).parts, path.stem)]
            if not named:
                raise FileNotFoundError(f"{self.folder}: no attention {variant!r} here.{self.report()}")
            paths = named
        if len(paths) > 1:  # both kinds in one folder: the one for this base
            paths = [path for path in paths if attention_kind(open_weights(path)) in (None, base)] or paths
        what = "attention checkpoints (choose with variant=)"
        return self._one(what, paths, lambda p: MASKED_NAMES[0] not in (*p.parts, p.stem)) if paths else None

    def scheduler(self, unet: Path | None) -> Path | None:
        """The base's own, beside its UNet; else the outermost one."""
        if not self.schedulers:
            return None
        return self._one("schedulers", self.schedulers, lambda p: unet and self.folder / p.parent.parent != unet.parent)

    def _one(self, what: str, paths: list[Path], rank: Callable[[Path], object] = lambda _: 0) -> Path:
        """The best of `paths` by `rank` of the path below the folder, then by depth; WeightsError if two are equal."""

        def key(path: Path):
            return (rank(path.relative_to(self.folder)), len(path.parts))

        best, *others = sorted(paths, key=key)
        equal = [best] + [path for path in others if key(path) == key(best)]
        if len(equal) > 1:
            names = "".join(f"\n  {path.relative_to(self.folder)}" for path in equal)
            raise WeightsError(f"{self.folder}: several {what} could be meant; give one by its path:{names}")
        return best

    def report(self) -> str:
        lines = [
            f"\n  {label} {path.relative_to(self.folder)}"
            for label, paths in (
                ("UNet", self.unets),
                ("VAE", self.vaes),
                ("attention", self.attentions),
                ("scheduler", self.schedulers),
            )
            for path in paths
        ]
        lines += [f"\n  {path.relative_to(self.folder)}: {summary.what}" for path, summary in self.singles.items()]
        lines += [f"\n  {problem}" for problem in self.unusable]
        return " Found:" + "".join(lines) if lines else " Nothing was found."


def _folders(folder: Path) -> Iterator[tuple[Path, set[str]]]:
    """`folder` and those below it, with the names of their files; hidden ones left out."""
    top = len(folder.parts)
    for path, folders, files in os.walk(folder, followlinks=True):
        depth = len(Path(path).parts) - top
        folders[:] = [] if depth == DEPTH else sorted(name for name in folders if not name.startswith("."))
        yield Path(path), {name for name in files if not name.startswith(".")}


def weights_file(path: str | Path, *, half: bool = False) -> Path:
    """The file of weights that `path` is, or that the folder `path` holds under diffusers' name.

    Of several, .safetensors comes before .bin, and full precision before .fp16 unless `half` says that suffices.
    """
    path = Path(path)
    if not path.is_dir():
        return path
    found = _standard_files(path)
    if not found:
        raise FileNotFoundError(f"{path}: no {STANDARD_NAME}.safetensors or .bin in this folder{_listing(path)}")
    return sorted(found, key=lambda file: (file.suffix != ".safetensors", (".fp16." in file.name) != half))[0]


def attention_file(path: str | Path) -> Path:
    """The attention checkpoint that `path` is, or that the folder `path` holds."""
    path = Path(path)
    if not path.is_dir():
        return path
    for folder in (path, path / "attention"):
        for name in ("model.safetensors", "pytorch_model.bin"):
            if (folder / name).is_file():
                return folder / name
    raise FileNotFoundError(f"{path}: no attention/model.safetensors in this folder{_listing(path)}")


def _standard_files(folder: Path) -> list[Path]:
    names = [f"{STANDARD_NAME}{variant}{suffix}" for variant in ("", ".fp16") for suffix in (".safetensors", ".bin")]
    return [folder / name for name in names if (folder / name).is_file()]


def _listing(folder: Path) -> str:
    names = sorted(child.name + ("/" if child.is_dir() else "") for child in folder.iterdir())
    return ". It holds " + (", ".join(names[:20]) + (", ..." if len(names) > 20 else "") if names else "nothing") + "."
