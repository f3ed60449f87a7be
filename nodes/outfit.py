"""Outfit: several garments on one person, put on one after the other."""

from __future__ import annotations

from typing import Any

import torch
from comfy_api.latest import io

from . import _comfy
from .labels import maps_of
from .model import Model
from .pictures import masks, one, pictures
from .schema import CATEGORY, LABEL_MAPS, CatVTONModel, label_maps, schema
from .settings import Settings, expert_inputs, run, sampling_inputs

GARMENTS = {
    "upper": "A top: takes the place of a worn shirt and coat.",
    "lower": "Trousers or a skirt.",
    "dress": "A dress or jumpsuit, in the place of upper, lower and inner.",
    "inner": "A shirt in an open coat: leaves the coat.",
    "outer": "A coat or jacket: goes on last.",
}
MAPS = ("atr", "lip", "densepose")  # that the engine's rule for outfits reads


class Outfit(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="CatVTONOutfit",
            display_name="Outfit",
            category=CATEGORY,
            description="Puts several garments on one person: lower, then upper or inner, or a dress in their place, "
            "and outer last. Each is tried on in the picture that the one before was pasted into.",
            search_aliases=["virtual try-on", "catvton", "clothes", "layering", "multi garment", "full outfit"],
            inputs=[
                CatVTONModel.Input("model", tooltip="From Load CatVTON."),
                io.Image.Input("person", tooltip="The person, one picture."),
                *(io.Image.Input(name, optional=True, tooltip=what) for name, what in GARMENTS.items()),
                *(
                    io.Mask.Input(
                        f"{name}_mask",
                        optional=True,
                        tooltip=f"White where {name} may paint. Without it the mask is made from the label maps.",
                    )
                    for name in GARMENTS
                ),
                *(found for found in label_maps() if found.id in MAPS),
                *sampling_inputs(),
                io.Mask.Input(
                    "protect", optional=True, tooltip="White where no garment is ever painted, such as face and hands."
                ),
                *expert_inputs(),
            ],
            outputs=[io.Image.Output("image", display_name="image", tooltip="The person in all garments.")],
        )

    @classmethod
    def execute(
        cls, model: Model, person: torch.Tensor, protect: torch.Tensor | None = None, **others: Any
    ) -> io.NodeOutput:
        def garment(name: str) -> torch.Tensor | None:
            given = others.pop(name, None)
            return None if given is None else one(pictures(given, name), name)

        garments = {name: garment(name) for name in GARMENTS}
        drawn = {name: one(masks(others.pop(f"{name}_mask", None)), f"{name}_mask") for name in GARMENTS}
        maps = maps_of({name: others.pop(name, None) for name in LABEL_MAPS})
        kept = one(masks(protect), "protect")
        chosen = Settings(**others)

        def call(tryon: Any, pairs: int, **arguments: Any) -> Any:
            return tryon.outfit(
                one(pictures(person, "person"), "person"),
                **garments,
                masks={name: mask for name, mask in drawn.items() if mask is not None},
                **maps,
                protect=kept,
                **arguments,
            )

        return io.NodeOutput(_comfy.to_output(run(model, chosen, call).image[None]))
