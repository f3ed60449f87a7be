"""Where training pictures come from: the drawn wardrobe, or folders in VITON-HD's and DressCode's layouts.

A sample is a dict of uint8 tensors at the training size: person [3, H, W], garment [3, H, W] and mask [1, H, W] (0, 1).
The person wears the garment. A try-on case has a garment in another way: `truth` is the picture that a perfect result
equals, and `area` [1, H, W] is where the garment shows in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import torch

from .. import images
from ..data.pairs import Pair, read_pairs
from ..data.wardrobe import CATEGORIES, case
from ..preparation import Placement, check_size

Sample = dict[str, torch.Tensor]
Size = tuple[int, int]  # height, width


class Source(Protocol):
    @property
    def key(self) -> str:
        """What its pictures depend on, in words: equal keys mean equal samples."""

    def __len__(self) -> int: ...

    def sample(self, index: int) -> Sample: ...

    def tryon_case(self, index: int) -> Sample:
        """person, garment, mask; truth, area and swapped where they are known."""


@dataclass(frozen=True)
class Wardrobe:
    """`count` drawn samples. Those of different seeds or splits share nothing (see `data.wardrobe.cases`)."""

    count: int
    size: Size
    seed: int = 0
    split: str = "train"
    categories: tuple[str, ...] = ("upper",)

    def __post_init__(self):
        check_size(*self.size)
        if self.count < 1:
            raise ValueError(f"the wardrobe needs at least one sample, got a count of {self.count}")
        for category in self.categories:
            if category not in CATEGORIES:
                raise ValueError(f"category {category!r}: expected one of {', '.join(CATEGORIES)}")

    @property
    def key(self) -> str:
        height, width = self.size
        return f"wardrobe/{self.seed}/{self.split}/{','.join(self.categories)}/{self.count}/{height}x{width}"

    def __len__(self) -> int:
        return self.count

    def sample(self, index: int) -> Sample:
        drawn, category = self._case(index)
        scene = drawn.scene(self.size)
        return {
            "person": _planes(np.asarray(scene.image)),
            "garment": _planes(np.asarray(drawn.garment.flat(self.size))),
            "mask": _binary(np.asarray(scene.agnostic_mask(category))),
        }

    def tryon_case(self, index: int) -> Sample:
        """The person, and a garment that it does not wear, with the exact truth; `swapped` is the truth of yet another,
        the garment that the next case of its category tries on."""
        drawn, category = self._case(index)
        scene, truth = drawn.scene(self.size), drawn.truth(drawn.other, self.size)
        swapped = case(self.seed, index + len(self.categories), self.split, category).other
        return {
            "person": _planes(np.asarray(scene.image)),
            "garment": _planes(np.asarray(drawn.other.flat(self.size))),
            "mask": _binary(np.asarray(scene.agnostic_mask(drawn.outfit.mask_category(drawn.other)))),
            "truth": _planes(np.asarray(truth.image)),
            "swapped": _planes(np.asarray(drawn.truth(swapped, self.size).image)),
            "area": torch.from_numpy(truth.garment_area(drawn.other)[None].astype(np.uint8)),
        }

    def _case(self, index: int):
        category = self.categories[index % len(self.categories)]
        return case(self.seed, index, self.split, category), category


@dataclass(frozen=True)
class Folder:
    """The pairs of a data set on disk: each person with the garment that it wears, or, unpaired, with another.

    Persons and masks are cropped to the size's aspect ratio, garments padded with white, as in the reference.
    """

    root: str
    size: Size
    split: str = "train"
    on_missing: str = "stop"
    paired: bool = True
    pairs: Sequence[Pair] = field(init=False, repr=False)

    def __post_init__(self):
        check_size(*self.size)
        pairs = read_pairs(self.root, split=self.split, paired=self.paired, on_missing=self.on_missing)
        if not pairs:
            raise ValueError(f"{self.root}: no complete {self.split} pair with an agnostic mask in this data set")
        object.__setattr__(self, "pairs", pairs)

    @property
    def key(self) -> str:
        digest = hashlib.sha256()
        for pair in self.pairs:
            for path in (pair.person, pair.garment, pair.mask):
                status = path.stat()
                digest.update(f"{path.relative_to(self.root)} {status.st_size} {status.st_mtime_ns}\n".encode())
        height, width = self.size
        pairing = "" if self.paired else "/unpaired"
        return f"folder/{self.split}{pairing}/{len(self.pairs)}/{height}x{width}/{digest.hexdigest()[:16]}"

    def __len__(self) -> int:
        return len(self.pairs)

    def sample(self, index: int) -> Sample:
        pair, target = self.pairs[index], self.size[::-1]
        person, garment = images.rgb_array(pair.person), images.rgb_array(pair.garment)
        mask = images.mask_array(pair.mask)
        if mask.shape != person.shape[:2]:
            raise ValueError(
                f"{pair.mask} is {mask.shape[1]}x{mask.shape[0]}, its person {pair.person} is "
                f"{person.shape[1]}x{person.shape[0]}; make them the same size"
            )
        placement = Placement.of(person.shape[1::-1], target, "crop")
        return {
            "person": _planes(placement.apply(person, background=255)),
            "garment": _planes(Placement.of(garment.shape[1::-1], target, "pad").apply(garment, background=255)),
            "mask": _binary(placement.apply(mask, background=0)),
        }

    def tryon_case(self, index: int) -> Sample:
        """Paired, the truth is the person. Unpaired, only a drawn set knows it; from any other there is none."""
        sample, pair = self.sample(index), self.pairs[index]
        if self.paired:
            return sample | {"truth": sample["person"]}
        if pair.truth is None:
            return sample
        truth = images.rgb_array(pair.truth)
        placement = Placement.of(truth.shape[1::-1], self.size[::-1], "crop")
        return sample | {"truth": _planes(placement.apply(truth, background=255))}


@dataclass(frozen=True)
class Several:
    """Sources one after the other."""

    sources: tuple[Source, ...]

    @property
    def key(self) -> str:
        return " + ".join(source.key for source in self.sources)

    def __len__(self) -> int:
        return sum(len(source) for source in self.sources)

    def sample(self, index: int) -> Sample:
        source, index = self._find(index)
        return source.sample(index)

    def tryon_case(self, index: int) -> Sample:
        source, index = self._find(index)
        return source.tryon_case(index)

    def _find(self, index: int) -> tuple[Source, int]:
        for source in self.sources:
            if index < len(source):
                return source, index
            index -= len(source)
        raise IndexError(index)


@dataclass(frozen=True)
class Unrelated:
    """Persons beside garments of other samples. What trains on it learns to paint both, and nothing of one from the
    other: a base such as an inpainting network is, before any try-on."""

    source: Source

    def __post_init__(self):
        if len(self.source) < 2:
            raise ValueError("unrelated garments need two samples or more")

    @property
    def key(self) -> str:
        return f"{self.source.key}/unrelated"

    def __len__(self) -> int:
        return len(self.source)

    def sample(self, index: int) -> Sample:
        garment = self.source.sample((index + 1) % len(self))["garment"]
        return self.source.sample(index) | {"garment": garment}

    def tryon_case(self, index: int) -> Sample:
        return self.source.tryon_case(index)


def to_model_range(picture: torch.Tensor) -> torch.Tensor:
    """uint8 -> float32 in -1..1."""
    return picture.to(torch.float32) / 127.5 - 1.0


def _planes(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1)))  # [H, W, 3] -> [3, H, W]


def _binary(mask: np.ndarray) -> torch.Tensor:
    return torch.from_numpy((mask >= 128).astype(np.uint8)[None])
