"""A list of tensor dicts on disk, made once: pictures that are slow to draw, latents that never change.

Items lie in files of 256, each written whole or not at all, so that making them can be stopped and go on, and be shared
out over processes. They are read through memory maps.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import torch
from safetensors import safe_open
from tqdm import tqdm

from ..atomic import write_json
from ..weights.files import save_tensors
from .samples import Sample, Source

Tensors = dict[str, torch.Tensor]
ITEMS = 256  # in a file


class Shards:
    """`count` items; `build` makes them, before any is read."""

    def __init__(self, folder: str | Path, key: str, count: int):
        """key: what the items depend on, in words. Raises ValueError if `folder` holds items of another key."""
        self.folder, self.count = Path(folder), count
        note = self.folder / "key.json"
        if note.is_file():
            found = json.loads(note.read_text(encoding="utf-8"))["key"]
            if found != key:
                raise ValueError(f"{self.folder} was made from other data ({found}), not from {key}: delete the folder")
        else:
            write_json(note, {"key": key})
        self._open = lru_cache(maxsize=64)(lambda path: safe_open(path, framework="pt"))

    def build(
        self, make: Callable[[int], Tensors], label: str, rank: int = 0, world: int = 1, progress: bool = True
    ) -> None:
        """Makes the files that are missing, item i being make(i); process `rank` of `world` makes its share."""
        starts = range(rank * ITEMS, self.count, world * ITEMS)
        missing = [start for start in starts if not self._path(start).is_file()]
        with tqdm(total=len(missing) * ITEMS, desc=label, unit="item", disable=not progress or not missing) as bar:
            for start in missing:
                items = []
                for index in range(start, min(start + ITEMS, self.count)):
                    items.append(make(index))
                    bar.update()
                tensors = {name: torch.stack([item[name] for item in items]) for name in items[0]}
                save_tensors(tensors, self._path(start))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Tensors:
        file = self._open(self._path(index))
        return {name: file.get_slice(name)[index % ITEMS] for name in file.keys()}  # noqa: SIM118 (not a dict)

    def _path(self, index: int) -> Path:
        return self.folder / f"items-{index // ITEMS:05d}.safetensors"


class KeptPictures:
    """A `samples.Source` whose samples are drawn or decoded once; runs may share the folder."""

    def __init__(self, source: Source, folder: str | Path):
        self.source, self.key = source, source.key
        self.shards = Shards(folder, f"pictures of {source.key}", len(source))

    def build(self, rank: int = 0, world: int = 1, progress: bool = True) -> None:
        self.shards.build(self.source.sample, "pictures", rank, world, progress)

    def __len__(self) -> int:
        return len(self.source)

    def sample(self, index: int) -> Sample:
        return self.shards[index]

    def tryon_case(self, index: int) -> Sample:
        return self.source.tryon_case(index)
