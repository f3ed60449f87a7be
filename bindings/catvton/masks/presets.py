"""Category and controls together, for garments that the bare categories do not serve well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .. import images
from .agnostic import agnostic, identity
from .controls import Length, adjust, pixels, protected


@dataclass(frozen=True)
class Preset:
    """A category and the controls of `agnostic` and `adjust` that go with it. `dataclasses.replace` varies one."""

    category: str
    cover: tuple[str, ...] = ()
    loose: Length = 0
    grow: Length = 0
    clean: Length = 0
    feather: Length = 0
    why: str = ""


PRESETS = {
    "upper": Preset("upper", clean="1%", why="tops of about the worn one's length"),
    "lower": Preset("lower", clean="1%", why="trousers, skirts"),
    "overall": Preset("overall", clean="1%", why="dresses, jumpsuits, whole outfits"),
    "inner": Preset("inner", clean="1%", why="a shirt under an open coat"),
    "outer": Preset("outer", clean="1%", why="a coat over the worn shirt"),
    "long-sleeves": Preset("upper", cover=("arms",), grow="0.5%", clean="1%", why="long sleeves on bare arms"),
    "long-top": Preset("upper", loose="3%", clean="1%", why="tunics and shirts that hang over trousers"),
    "wide-lower": Preset("lower", loose="2%", clean="1%", why="flared skirts and wide trousers over narrow ones"),
    "dress": Preset("overall", cover=("arms", "legs"), loose="2%", clean="1%", why="a wide dress over trousers"),
    "coat": Preset("outer", cover=("upper-clothes", "arms"), loose="3%", clean="1%", why="a coat where none is worn"),
}


def preset_mask(
    preset: str | Preset,
    atr: images.PictureLike | None = None,
    lip: images.PictureLike | None = None,
    densepose: images.PictureLike | None = None,
    *,
    others: Mapping[str, images.PictureLike] | None = None,
    protect: images.PictureLike | None = None,
) -> np.ndarray:
    """The mask of a preset, or of the one of that name in `PRESETS`, from `agnostic`'s label maps; uint8 [H, W].

    Face, hair, hands and feet stay where the preset widens its category; `protect` adds to them.
    """
    if isinstance(preset, str):
        if preset not in PRESETS:
            raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
        preset = PRESETS[preset]
    mask = agnostic(preset.category, atr, lip, densepose, others=others, cover=preset.cover)
    is_widened = any(pixels(length, mask.shape) != 0 for length in (preset.loose, preset.grow))
    mask = adjust(
        mask,
        loose=preset.loose,
        grow=preset.grow,
        clean=preset.clean,
        feather=preset.feather,
        protect=identity(atr, lip, densepose, others=others) if is_widened else None,
    )
    return mask if protect is None else protected(mask, protect)
