"""Mask by Category: where a kind of garment may paint, from label maps of the person."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from comfy_api.latest import io

from . import _comfy
from .engine import engine
from .labels import maps_of
from .pictures import mask_tensor, masks, one
from .schema import LABEL_MAPS, MASKS, advanced, label_maps, schema
from .settings import percent

# catvton.masks.CATEGORIES and PRESETS, named here so that the node is there without catvton.
CATEGORIES = ["upper", "lower", "overall", "inner", "outer"]
NO_PRESET = "none"
PRESETS = ["long-sleeves", "long-top", "wide-lower", "dress", "coat"]


def _length(name: str, tooltip: str, smallest: float = 0.0) -> io.Input:
    return io.Float.Input(
        name,
        default=0.0,
        min=smallest,
        max=20.0,
        step=0.1,
        tooltip=f"{tooltip} In percent of the picture's longer side; 0 changes nothing.",
    )


class MaskByCategory(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="CatVTONMaskByCategory",
            display_name="Mask by Category",
            category=MASKS,
            description="Makes the mask for a kind of garment from label maps of the person, by CatVTON's own rule. "
            "With ATR, LIP and DensePose maps the mask is the reference's; one map is enough to begin.",
            search_aliases=["agnostic mask", "automask", "auto mask", "clothes mask", "cloth segmentation", "catvton"],
            inputs=[
                *label_maps(),
                io.Combo.Input(
                    "category",
                    options=CATEGORIES,
                    default="upper",
                    tooltip="What the new garment is. upper: tops. lower: trousers, skirts. overall: dresses. inner: a "
                    "shirt in an open coat. outer: a coat.",
                ),
                io.Combo.Input(
                    "preset",
                    options=[NO_PRESET, *PRESETS],
                    default=NO_PRESET,
                    tooltip="A category with controls for garments that differ from the worn ones, in the place of "
                    "category: long sleeves on bare arms, long tops, wide skirts, wide dresses, coats.",
                ),
                _length("grow", "Larger all round, or smaller if negative.", smallest=-20.0),
                _length("loose", "A wider and longer silhouette, for garments that flare or hang lower."),
                advanced(_length("clean", "Closes holes and drops islands smaller than a square of this side.")),
                advanced(
                    _length("feather", "A soft edge. The model cuts it at one half; pasting back uses all of it.")
                ),
                advanced(
                    io.Boolean.Input(
                        "keep_identity",
                        default=True,
                        tooltip="Whatever the controls do, face, hair, hands and feet are not painted.",
                    )
                ),
                io.Mask.Input("protect", optional=True, tooltip="White where nothing may ever be painted."),
                advanced(
                    io.String.Input(
                        "cover",
                        default="",
                        tooltip="Parts that the garment will cover and the category would keep, with commas: arms, "
                        "legs, torso, upper-clothes, coat, dress, jumpsuits, skirt, pants.",
                    )
                ),
            ],
            outputs=[
                io.Mask.Output("mask", display_name="mask", tooltip="White where the model may paint."),
                io.Mask.Output(
                    "identity",
                    display_name="identity",
                    tooltip="Face, hair, hands and feet, for the protect input of Try On.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        category: str,
        preset: str,
        grow: float,
        loose: float,
        clean: float = 0.0,
        feather: float = 0.0,
        keep_identity: bool = True,
        protect: torch.Tensor | None = None,
        cover: str = "",
        **given: Any,
    ) -> io.NodeOutput:
        engine()
        from catvton.masks import adjust, agnostic, identity, preset_mask, protected

        maps = maps_of({name: given.get(name) for name in LABEL_MAPS})
        if not maps:
            raise ValueError(f"connect at least one label map of the person: {', '.join(LABEL_MAPS)}")
        named = {name: maps.pop(name, None) for name in ("atr", "lip", "densepose")}
        covered = [part.strip() for part in cover.split(",") if part.strip()]
        with warnings.catch_warnings(record=True) as lost:
            warnings.simplefilter("always")
            if preset == NO_PRESET:
                mask = agnostic(category, **named, others=maps, cover=covered)
            else:
                mask = preset_mask(preset, **named, others=maps)
        for warning in lost:
            _comfy.log.warning("CatVTON, Mask by Category: %s", warning.message)
        person = identity(**named, others=maps)
        lengths = {"grow": grow, "loose": loose, "clean": clean, "feather": feather}
        mask = adjust(
            mask,
            **{name: percent(length) for name, length in lengths.items()},
            protect=person if keep_identity and (grow > 0 or loose > 0) else None,
        )
        drawn = one(masks(protect), "protect")
        if drawn is not None:
            mask = protected(mask, drawn)
        return io.NodeOutput(_comfy.to_output(mask_tensor(mask)), _comfy.to_output(mask_tensor(person)))
