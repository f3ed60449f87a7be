"""Schemas that every ComfyUI from 0.3.75 on reads: what a newer one knows besides is added where it is known.

ComfyUI's Schema and inputs are strict: one unknown keyword, and this node and all that follow it are lost.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from comfy_api.latest import io

CatVTONModel = io.Custom("CATVTON_MODEL")
CatVTONLabels = io.Custom("CATVTON_LABELS")

CATEGORY = "CatVTON"
MASKS = "CatVTON/mask"


def schema(**known: Any) -> io.Schema:
    """`io.Schema(**known)` without the fields that this ComfyUI does not have yet."""
    names = {field.name for field in fields(io.Schema)}
    return io.Schema(**{name: value for name, value in known.items() if name in names})


def advanced(widget: io.Input) -> io.Input:
    """An input that the front end hides until it is asked for: most people never need it.

    Optional, so that workflows sent through the API need not name it.
    """
    widget.optional = True
    if hasattr(widget, "advanced"):
        widget.advanced = True
    else:  # older ones pass on what they do not know, and the front end has always known this
        widget.extra_dict = {**widget.extra_dict, "advanced": True}
    return widget


def label_maps() -> list[io.Input]:
    """An optional input for each kind of label map, as "Load Label Map" or any parser node makes it."""
    return [
        io.MultiType.Input(
            name, types=[CatVTONLabels, io.Image, io.Mask], optional=True, tooltip=f"{what} {_WHERE_FROM}"
        )
        for name, what in LABEL_MAPS.items()
    ]


LABEL_MAPS = {
    "atr": "Label map of a parser trained on ATR (SCHP-ATR, segformer_b2_clothes): clothes, 18 labels.",
    "lip": "Label map of a parser trained on LIP (SCHP-LIP): clothes and face, 20 labels.",
    "densepose": "DensePose's body parts, labels 0 to 24. With ATR and LIP the masks are the reference's.",
    "cihp": "Label map of a parser trained on CIHP: LIP's labels with bare torso in the place of jumpsuits.",
    "fashn": "Label map of fashn-human-parser, 18 labels.",
}
_WHERE_FROM = "From Load Label Map, or the IMAGE or MASK of a parser node."
