"""The size of pictures that a model was trained for, as its files of weights tell it."""

from __future__ import annotations

import re

from .files import WeightsError, open_weights
from .find import ModelFiles, attention_file, weights_file

SIZE_KEY = "catvton.size"  # of a file's metadata: "192x144", height first
PUBLISHED_SIZE = (1024, 768)  # of the published weights, which say nothing


def native_size(files: ModelFiles) -> tuple[int, int]:
    """(height, width), from the metadata of the attention, else of the UNet, else the published models'.

    Raises FileNotFoundError and WeightsError, for a size that is none, too.
    """
    for path in (files.attention and attention_file(files.attention), weights_file(files.unet)):
        if path is None or path.suffix != ".safetensors":  # no other format has metadata
            continue
        file = open_weights(path)
        if text := file.metadata.get(SIZE_KEY):
            numbers = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
            size = (int(numbers[1]), int(numbers[2])) if numbers else (0, 0)
            if 0 in size or size[0] % 8 or size[1] % 8:
                raise WeightsError(f"{file.path}: {SIZE_KEY} = {text!r}; expected HEIGHTxWIDTH, multiples of 8.")
            return size
    return PUBLISHED_SIZE
