"""What the numbers in a label map mean, for each parser whose maps are understood.

A part that a label set does not have contributes nothing. Left and right are not told apart: no rule needs it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .. import images
from .._native import C

LabelSet = dict[str, tuple[int, ...]]

# SCHP trained on ATR; also segformer_b2_clothes. https://github.com/GoGoDuck912/Self-Correction-Human-Parsing
ATR: LabelSet = {
    "background": (0,),
    "hat": (1,),
    "hair": (2,),
    "sunglasses": (3,),
    "upper-clothes": (4,),
    "skirt": (5,),
    "pants": (6,),
    "dress": (7,),
    "belt": (8,),
    "shoes": (9, 10),
    "face": (11,),
    "legs": (12, 13),
    "arms": (14, 15),
    "bag": (16,),
    "scarf": (17,),
}

# SCHP trained on LIP, same source.
LIP: LabelSet = {
    "background": (0,),
    "hat": (1,),
    "hair": (2,),
    "glove": (3,),
    "sunglasses": (4,),
    "upper-clothes": (5,),
    "dress": (6,),
    "coat": (7,),
    "socks": (8,),
    "pants": (9,),
    "jumpsuits": (10,),
    "scarf": (11,),
    "skirt": (12,),
    "face": (13,),
    "arms": (14, 15),
    "legs": (16, 17),
    "shoes": (18, 19),
}

# CIHP (Gong et al., "Instance-level Human Parsing via Part Grouping Network", ECCV 2018): LIP with bare skin of the
# torso in the place of jumpsuits.
CIHP: LabelSet = {name: labels for name, labels in LIP.items() if name != "jumpsuits"} | {"torso-skin": (10,)}

# fashn-human-parser, https://huggingface.co/fashn-ai/fashn-human-parser. Its feet include shoes.
FASHN: LabelSet = {
    "background": (0,),
    "face": (1,),
    "hair": (2,),
    "upper-clothes": (3,),
    "dress": (4,),
    "skirt": (5,),
    "pants": (6,),
    "belt": (7,),
    "bag": (8,),
    "hat": (9,),
    "scarf": (10,),
    "sunglasses": (11,),
    "arms": (12, 13),
    "hands": (13,),
    "legs": (14, 15),
    "feet": (15,),
    "torso-skin": (16,),
    "jewelry": (17,),
}

# DensePose's body parts (I of IUV). https://github.com/facebookresearch/detectron2, projects/DensePose
DENSEPOSE: LabelSet = {
    "background": (0,),
    "torso": (1, 2),
    "hands": (3, 4),
    "feet": (5, 6),
    "thighs": (7, 8, 9, 10),
    "lower legs": (11, 12, 13, 14),
    "upper arms": (15, 16, 17, 18),
    "forearms": (19, 20, 21, 22),
    "face": (23, 24),
    "legs": (5, 6, 7, 8, 9, 10, 11, 12, 13, 14),
    "arms": (3, 4, 15, 16, 17, 18, 19, 20, 21, 22),
}

PARSERS: dict[str, LabelSet] = {"atr": ATR, "lip": LIP, "cihp": CIHP, "fashn": FASHN}


def label_map(source: images.PictureLike, name: str, labels: LabelSet) -> np.ndarray:
    """Integer labels [H, W] as uint8, from a path, a PIL picture (greyscale, or a palette whose indices are the labels)
    or an array. `name` is for messages.

    Raises ValueError for colours in the place of labels, and listing labels that `labels` does not have.
    """
    array = _labels_of(source, name)
    known = {label for part in labels.values() for label in part}
    unknown = sorted(_values(array) - known)
    if unknown:
        shown = ", ".join(map(str, unknown[:10])) + (", ..." if len(unknown) > 10 else "")
        raise ValueError(
            f"the {name} map has unknown labels {shown}; {name} has 0 to {max(known)}. Is it a map of another "
            f"parser, or was it resized with blending? (known parsers: {', '.join(PARSERS)}, densepose)"
        )
    return array.astype(np.uint8, copy=False)


def bits(array: np.ndarray, labels: LabelSet, means: Mapping[str, Iterable[str]]) -> np.ndarray:
    """A label map as bits of `C.image.PARTS`, uint8 [H, W]. means: which of the map's parts count as which of those."""
    table = np.zeros(256, np.uint8)
    for bit, parts in means.items():
        for part in parts:
            table[list(labels.get(part, ()))] |= C.image.PARTS[bit]
    return np.array(Image.fromarray(array).point(table.tolist()))  # several times faster than table[array]


def _values(array: np.ndarray) -> set[int]:
    if array.dtype == np.uint8:  # counting beats sorting on large maps
        return set(np.flatnonzero(Image.fromarray(array).histogram()).tolist())
    return set(np.unique(array).tolist())


def _labels_of(source: Any, name: str) -> np.ndarray:
    if isinstance(source, (str, os.PathLike)):
        source = images.read_file(Path(source), name)
    if isinstance(source, Image.Image):
        if source.mode not in ("L", "P", "1", "I", "I;16"):
            colours = np.array(source.convert("RGB"))
            if (colours != colours[..., :1]).any():
                raise ValueError(
                    f"the {name} map is a colour picture ({source.mode}); expected label numbers (greyscale or palette)"
                )
            return colours[..., 0]
        return np.array(source)
    array = images.as_numpy(source, name)
    if array.ndim == 3 and 1 in (array.shape[0], array.shape[2]):
        array = array[0] if array.shape[0] == 1 else array[..., 0]
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"the {name} map must have the shape [H, W], got {list(array.shape)}")
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.rint(array)).all()):
        raise ValueError(f"the {name} map must hold whole label numbers, got fractions or NaN")
    return array
