"""Masks of the garments of one outfit: tried on one after the other, from label maps of the person as it was before.

Each is the agnostic mask of its category, but for what the maps cannot know once a garment has been changed:

- A worn dress or jumpsuit is one label from shoulder to hem, and both a new top and new trousers would repaint all of
  it. Where both come, it is read as a top and a skirt, divided at the hips, so that the second leaves the first alone.
- The top comes after the bottom and owns what both may paint, its hem over the waistband; but below the hips the bottom
  keeps what it got, except where the worn top hung over it.
- The rule for outer garments repaints a worn coat and leaves the shirt in its opening. Where no coat is worn there is
  no opening to know of, and the preset for that case covers the top as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from .. import images
from ..preparation import mask_of_size
from .agnostic import agnostic
from .labels import ATR, DENSEPOSE, LIP, LabelSet, label_map
from .presets import preset_mask

# The order in which garments are put on, with the category of their masks.
ORDER = {"lower": "lower", "upper": "upper", "inner": "inner", "dress": "overall", "outer": "outer"}
ONE_PIECE = {"dress": "skirt", "jumpsuits": "pants"}  # and what its lower part counts as
SETS: dict[str, LabelSet] = {"atr": ATR, "lip": LIP, "densepose": DENSEPOSE}


def outfit_masks(
    garments: Iterable[str],
    atr: images.PictureLike | None = None,
    lip: images.PictureLike | None = None,
    densepose: images.PictureLike | None = None,
    *,
    given: Mapping[str, images.PictureLike] | None = None,
) -> dict[str, images.PictureLike]:
    """The mask of each of `garments` (names of `ORDER`), in the order in which they are put on; uint8 [H, W].

    atr, lip, densepose: `agnostic`'s label maps, of the person before anything is tried on. given: masks that are taken
    as they are; maps are read only for the rest. Raises `agnostic`'s ValueErrors, and one where a worn dress or
    jumpsuit must be divided and no densepose map says where.
    """
    given, wanted = given or {}, set(garments)
    missing = wanted - set(given)
    sources = {"atr": atr, "lip": lip, "densepose": densepose}
    maps = {
        name: label_map(source, name, SETS[name]) for name, source in sources.items() if source is not None and missing
    }
    masks: dict[str, images.PictureLike] = {}
    for name in (name for name in ORDER if name in wanted):
        if name in given:
            masks[name] = given[name]
        elif name == "outer":
            masks[name] = _outer(maps)
        else:
            both = "lower" in wanted and wanted & {"upper", "inner"}
            mask = agnostic(ORDER[name], **(_divided(maps) if both else maps))
            masks[name] = _without_the_lower(mask, masks["lower"], maps) if both and name != "lower" else mask
    return masks


def _outer(maps: dict[str, np.ndarray]) -> np.ndarray:
    if _shows(maps, "coat").any():
        return agnostic("outer", **maps)
    return preset_mask("coat", **_divided(maps))


def _without_the_lower(mask: np.ndarray, lower: images.PictureLike, maps: dict[str, np.ndarray]) -> np.ndarray:
    """A top's mask less what the bottom got below the hips, except where the worn top showed."""
    row = _hips(maps)
    if row is None:
        return mask
    height, width = mask.shape
    ceded = (mask_of_size(lower, (width, height), "the lower garment's mask") >= 128) & ~_shows(
        maps, "upper-clothes", "coat"
    )
    ceded[:row] = False
    return np.where(ceded, np.uint8(0), mask)


def _divided(maps: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The maps with a worn dress as upper-clothes down to the hips and a skirt below, a jumpsuit with pants there."""
    if not _shows(maps, *ONE_PIECE).any():
        return maps
    row = _hips(maps)
    if row is None:
        raise ValueError(
            "the person wears a dress or jumpsuit, which the new garments replace in part; to tell where it divides "
            "into top and bottom needs a densepose map. Give densepose=, or masks= for the garments."
        )
    divided = dict(maps)
    for name, array in maps.items():
        table = SETS[name]
        divided[name] = array.copy()
        for part, below in ONE_PIECE.items():
            piece = np.isin(array, table.get(part, ()))
            divided[name][:row][piece[:row]] = table.get("upper-clothes", (0,))[0]
            divided[name][row:][piece[row:]] = table.get(below, (0,))[0]
    return divided


def _hips(maps: dict[str, np.ndarray]) -> int | None:
    """The row from which on DensePose shows more of the legs than of the torso; the height where no leg is seen."""
    dense = maps.get("densepose")
    if dense is None:
        return None
    legs, torso = (np.isin(dense, DENSEPOSE[part]).sum(axis=1) for part in ("legs", "torso"))
    rows = np.flatnonzero(torso >= np.maximum(legs, 1))
    return dense.shape[0] if not legs.any() else int(rows[-1]) + 1 if rows.size else 0


def _shows(maps: dict[str, np.ndarray], *parts: str) -> np.ndarray:
    """Boolean [H, W]: where a map shows one of `parts`."""
    shown = np.zeros(next(iter(maps.values())).shape, bool)
    for name, array in maps.items():
        shown |= np.isin(array, [label for part in parts for label in SETS[name].get(part, ())])
    return shown
