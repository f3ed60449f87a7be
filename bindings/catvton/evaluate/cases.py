"""The held-out cases that are tried on: unpaired, a garment that the person does not wear; paired, the one it wears.

A case is a `train.samples.Sample`: person, garment and mask; truth, area and swapped where they are known. The wardrobe
knows them all, a drawn data set on disk the truth, a real one the truth of its pairs alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from ..data.wardrobe import Case, case
from ..train.samples import Folder, Sample, Size, Wardrobe

PAIRINGS = ("unpaired", "paired")


@dataclass(frozen=True)
class Cases:
    """Cases 0 to count - 1 of a source. count: None for all that there are."""

    source: Wardrobe | Folder
    pairing: str
    count: int

    @property
    def key(self) -> str:
        """What the pictures depend on, in words."""
        return f"{self.source.key}/{self.pairing}"

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Sample:
        if self.pairing == "unpaired" or isinstance(self.source, Folder):
            return self.source.tryon_case(index)
        sample, drawn = self.source.sample(index), self._drawn(index)
        area = drawn.scene(self.source.size).garment_area(drawn.garment)
        return sample | {"truth": sample["person"], "area": torch.from_numpy(area[None].astype(np.uint8))}

    def fabric(self, index: int) -> str | None:
        """The kind of cloth that is tried on (`wardrobe.FABRICS`), where that is known."""
        if isinstance(self.source, Folder):
            return None
        drawn = self._drawn(index)
        return (drawn.other if self.pairing == "unpaired" else drawn.garment).fabric.name

    def _drawn(self, index: int) -> Case:
        source = self.source
        return case(source.seed, index, source.split, source.categories[index % len(source.categories)])


def cases_of(
    data: str,
    pairing: str,
    size: Size,
    count: int | None = None,
    *,
    seed: int = 0,
    categories: tuple[str, ...] = ("upper",),
    on_missing: str = "stop",
) -> Cases:
    """data: "wardrobe", or a folder in VITON-HD's or DressCode's layout, of which the split "test" is taken.

    count: None is 100 of the wardrobe and everything in a folder. seed, categories: of the wardrobe, whose split "test"
    shares no person and no garment with any split "train", nor with that of another seed.
    Raises FileNotFoundError and ValueError.
    """
    if data == "wardrobe":
        source = Wardrobe(100 if count is None else count, size, seed, "test", categories)
    else:
        source = Folder(data, size, "test", on_missing, pairing == "paired")
    if count is not None and not 1 <= count <= len(source):
        raise ValueError(f"{data} has {len(source)} {pairing} test cases, and {count} were asked for")
    return Cases(source, pairing, len(source) if count is None else count)
