"""Category and controls together, for garments that the bare categories do not serve well."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import images
from .agnostic import agnostic
from .controls import Length, adjust


@dataclass(frozen=True)
class Preset:
    """Arguments of `agnostic` and `adjust` that go together."""

    category: str
    cover: tuple[str, ...] = ()
    loose: Length = 0
    grow: Length = 0
    clean: Length = "1%"
    why: str = ""


PRESETS = {
    "upper": Preset("upper", why="tops of about the worn one's length"),
    "lower": Preset("lower", why="trousers, skirts"),
    "overall": Preset("overall", why="dresses, jumpsuits, whole outfits"),
    "inner": Preset("inner", why="a shirt under an open coat"),
    "outer": Preset("outer", why="a coat over the worn shirt"),
    "long-sleeves": Preset("upper", cover=("arms",), grow="0.5%", why="long sleeves on bare arms"),
    "long-top": Preset("upper", cover=("pants", "skirt"), loose="1%", why="tunics and shirts that hang over trousers"),
    "wide-lower": Preset("lower", loose="2%", why="flared skirts and wide trousers over narrow ones"),
    "dress": Preset("overall", cover=("arms", "legs"), loose="2%", why="a wide dress over trousers"),
    "coat": Preset("outer", cover=("upper-clothes", "arms"), loose="1.5%", why="a coat where none is worn"),
}


def preset_mask(
    name: str,
    atr: images.PictureLike | None = None,
    lip: images.PictureLike | None = None,
    densepose: images.PictureLike | None = None,
    *,
    others: dict[str, images.PictureLike] | None = None,
    protect: images.PictureLike | None = None,
) -> np.ndarray:
    """The mask of `PRESETS[name]` from label maps, uint8 [H, W]. The maps are `agnostic`'s."""
    if name not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {name!r}")
    preset = PRESETS[name]
    mask = agnostic(preset.category, atr, lip, densepose, others=others, cover=preset.cover)
    return adjust(mask, grow=preset.grow, loose=preset.loose, clean=preset.clean, protect=protect)
