"""Mask Preview: the person with the mask laid over it, to look at before waiting for a result."""

from __future__ import annotations

import numpy as np
import torch
from comfy_api.latest import io, ui

from . import _comfy
from .engine import engine
from .pictures import masks, no_mask, pictures
from .schema import MASKS, advanced, schema


class MaskPreview(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="CatVTONMaskPreview",
            display_name="Mask Preview",
            category=MASKS,
            description="Shows where the model will paint: the mask over the person, outlined where the model cuts it.",
            search_aliases=["mask overlay", "show mask", "catvton"],
            is_output_node=True,
            inputs=[
                io.Image.Input("person", tooltip="The person, one picture or a batch."),
                io.Mask.Input("mask", tooltip="The mask, one for all or one for each."),
                advanced(
                    io.String.Input(
                        "colour", default="#e0187a", tooltip="A name or a hexadecimal code, as red or #e0187a."
                    )
                ),
                advanced(
                    io.Float.Input(
                        "opacity", default=0.5, min=0.0, max=1.0, step=0.05, tooltip="Strength of the colour."
                    )
                ),
            ],
            outputs=[io.Image.Output("image", display_name="image", tooltip="What is shown.")],
        )

    @classmethod
    def execute(
        cls, person: torch.Tensor, mask: torch.Tensor, colour: str = "#e0187a", opacity: float = 0.5
    ) -> io.NodeOutput:
        engine()
        from catvton.masks import preview

        persons, painted = pictures(person, "person"), masks(mask)
        if painted is None:
            raise ValueError(no_mask(True))
        if len(painted) not in (1, len(persons)):
            raise ValueError(f"{len(persons)} persons and {len(painted)} masks: give one mask, or one for each")
        shown = [
            np.array(preview(picture, painted[i % len(painted)], colour, opacity)) for i, picture in enumerate(persons)
        ]
        images = torch.from_numpy(np.stack(shown)).float().div(255)
        return io.NodeOutput(_comfy.to_output(images), ui=ui.PreviewImage(images, cls=cls))
