"""Label maps that lie beside a picture: person.jpg with person.atr.png, person.lip.png, person.densepose.png."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .agnostic import agnostic
from .labels import PARSERS

MAPS = (*PARSERS, "densepose")


def maps_beside(person: str | os.PathLike[str]) -> dict[str, Path]:
    """The label maps of a picture by name: files in its folder that are called <its stem>.<name of MAPS>.png."""
    person = Path(person)
    paths = {name: person.with_name(f"{person.stem}.{name}.png") for name in MAPS}
    return {name: path for name, path in paths.items() if path.is_file()}


def is_map(path: Path) -> bool:
    """Whether a file is called as the label map of another picture."""
    return path.suffix == ".png" and Path(path.stem).suffix.removeprefix(".") in MAPS


def maps_of(
    person: str | os.PathLike[str], given: Mapping[str, str | os.PathLike[str] | None] | None = None
) -> dict[str, Path]:
    """The label maps of a picture: `given` ones by name of MAPS, and those beside it for what is not given.

    Raises FileNotFoundError where a given one is not there, or there is none at all.
    """
    maps = maps_beside(person)
    for name, path in (given or {}).items():
        if path is not None:
            if not Path(path).is_file():
                raise FileNotFoundError(f"{name}: there is no file {path}")
            maps[name] = Path(path)
    if not maps:
        stem, some = Path(person).stem, ("atr", "lip", "densepose")
        raise FileNotFoundError(
            f"a mask by category needs label maps of {person}, as human parsers write them: put them beside it as "
            f"{', '.join(f'{stem}.{name}.png' for name in some)}, or name them with {', '.join(f'--{n}' for n in some)}"
        )
    return maps


def category_mask(
    person: str | os.PathLike[str],
    category: str,
    given: Mapping[str, str | os.PathLike[str] | None] | None = None,
) -> np.ndarray:
    """`agnostic`'s mask of a picture from the label maps that `maps_of` finds; uint8 [H, W] of their size."""
    maps = maps_of(person, given)
    named = {name: maps.pop(name, None) for name in ("atr", "lip", "densepose")}
    return agnostic(category, **named, others=maps)
