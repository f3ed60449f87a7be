"""Try On: a garment on a person."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from comfy_api.latest import io

from . import _comfy
from .model import Model
from .pictures import masks, no_mask, one, pictures
from .schema import CATEGORY, CatVTONModel, advanced, schema
from .settings import Settings, expert_inputs, run, sampling_inputs


class TryOn(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="CatVTONTryOn",
            display_name="Try On",
            category=CATEGORY,
            description="Puts a garment on a person, repainting where the mask is white. The result goes back into the "
            "original picture: outside the mask nothing changes.",
            search_aliases=["virtual try-on", "catvton", "vton", "clothes swap", "outfit", "dress", "garment"],
            inputs=[
                CatVTONModel.Input("model", tooltip="From Load CatVTON."),
                io.Image.Input("person", tooltip="The person, one picture or a batch."),
                io.Image.Input(
                    "garment", tooltip="The garment, flat or worn by somebody. One for all persons, or one for each."
                ),
                io.Mask.Input(
                    "mask",
                    optional=True,
                    tooltip="White where to repaint: the worn clothes and where the new ones will be. From the mask "
                    "editor or Mask by Category. Masked models need it; a mask-free model does not look at it, and it "
                    "limits what is pasted back.",
                ),
                *sampling_inputs(),
                io.Boolean.Input(
                    "paste_back",
                    default=True,
                    tooltip="On: the result goes back into the original at its own size, and nothing outside the mask "
                    "changes. Off: the model's own picture.",
                ),
                io.Mask.Input(
                    "protect",
                    optional=True,
                    tooltip="White where pasting back never paints, such as face and hands (Mask by Category gives "
                    "them).",
                ),
                *expert_inputs(),
                advanced(
                    io.Int.Input(
                        "batch_size",
                        default=1,
                        min=1,
                        max=64,
                        tooltip="Pictures of a batch that are denoised together: more memory, and on a GPU less time.",
                    )
                ),
            ],
            outputs=[
                io.Image.Output(
                    "image", display_name="image", tooltip="The person in the garment; a picture for each pair."
                ),
                io.Mask.Output(
                    "mask_used",
                    display_name="mask",
                    tooltip="Where was repainted, in the size of the image: the mask less what is protected.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        model: Model,
        person: torch.Tensor,
        garment: torch.Tensor,
        paste_back: bool,
        mask: torch.Tensor | None = None,
        protect: torch.Tensor | None = None,
        batch_size: int = 1,
        **settings: Any,
    ) -> io.NodeOutput:
        persons, garments, painted = pictures(person, "person"), pictures(garment, "garment"), masks(mask)
        if model.masked and painted is None:
            raise ValueError(no_mask(mask is not None))
        kept = one(masks(protect), "protect")
        chosen = Settings(**settings)
        count = max(map(len, (persons, garments, painted or [None])))

        def call(tryon: Any, pairs: int, **arguments: Any) -> list[Any]:
            return tryon(persons, garments, painted, paste_back=paste_back, protect=kept, batch_size=pairs, **arguments)

        results = run(model, chosen, call, pairs=min(batch_size, count))
        used = [
            _used(persons[i % len(persons)], painted and painted[i % len(painted)], kept, chosen, model, paste_back)
            for i in range(count)
        ]
        return io.NodeOutput(
            _comfy.to_output(torch.stack([result.image for result in results])), _comfy.to_output(torch.stack(used))
        )


def _used(
    person: torch.Tensor,
    mask: torch.Tensor | None,
    protect: torch.Tensor | None,
    settings: Settings,
    model: Model,
    paste_back: bool,
) -> torch.Tensor:
    """The mask of one pair in the size of its result, float32 [H, W]; without one, everything is repainted."""
    from catvton.masks import protected
    from catvton.preparation import Placement, mask_of_size

    (height, width), (h, w) = settings.size(model), person.shape[:2]
    used = np.full((h, w), 255, np.uint8) if mask is None else mask_of_size(mask, (w, h))
    if protect is not None:
        used = protected(used, protect)
    if not paste_back:
        used = Placement.of((w, h), (width, height), settings.fit).apply(used, background=0)
    return torch.from_numpy(used).float().div(255)
