"""Load Label Map: the numbers of a parser's picture, which Load Image would turn into colours."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from comfy_api.latest import io
from PIL import Image

from . import _comfy
from .labels import labels_of_picture
from .schema import MASKS, CatVTONLabels, schema


class LabelMap(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return schema(
            node_id="CatVTONLabelMap",
            display_name="Load Label Map",
            category=MASKS,
            description="Loads a label map (ATR, LIP, DensePose, ...) of a person as label numbers: palettes stay "
            "indices, greyscale stays numbers, and the usual segmentation colours are read back.",
            search_aliases=["human parsing", "segmentation map", "densepose", "atr", "lip", "schp", "labels"],
            inputs=[
                io.Combo.Input(
                    "image",
                    options=_comfy.input_pictures(),
                    upload=io.UploadType.image,
                    image_folder=io.FolderType.input,
                    tooltip="A PNG from the input folder, as a human parser writes it.",
                )
            ],
            outputs=[
                CatVTONLabels.Output(
                    "labels",
                    display_name="labels",
                    tooltip="For Mask by Category and Outfit: into the input named as the parser.",
                )
            ],
        )

    @classmethod
    def validate_inputs(cls, image: str) -> bool | str:
        path = _comfy.input_path(image)
        return os.path.isfile(path) or f"there is no label map {image} (looked for {path}); upload it or choose another"

    @classmethod
    def fingerprint_inputs(cls, image: str) -> str:
        return hashlib.sha256(Path(_comfy.input_path(image)).read_bytes()).hexdigest()

    @classmethod
    def execute(cls, image: str) -> io.NodeOutput:
        with Image.open(_comfy.input_path(image)) as picture:
            return io.NodeOutput(labels_of_picture(picture, image))
