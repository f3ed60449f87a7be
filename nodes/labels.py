"""Label maps as they come into the nodes, to label numbers: from files, and from pictures that parser nodes give."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from PIL import Image


def labels_of_picture(picture: Image.Image, name: str) -> np.ndarray:
    """uint8 [H, W]. A palette's indices and greyscale values are labels; so are the colours of the VOC palette."""
    if picture.mode in ("L", "P", "1"):
        return np.array(picture.convert("L") if picture.mode == "1" else picture)
    if picture.mode.startswith("I"):
        values = np.array(picture)
        if values.min() < 0 or values.max() > 255:
            raise ValueError(f"{name}: label numbers lie in 0..255, got {values.min()}..{values.max()}")
        return values.astype(np.uint8)
    return labels_of_colours(np.array(picture.convert("RGB")), name)


def labels_of_colours(colours: np.ndarray, name: str) -> np.ndarray:
    """uint8 [H, W, 3] -> [H, W]: the number where the picture is grey, else the label of this colour in VOC's palette.

    Raises ValueError for any other colour: it was resized with blending, or is another palette's.
    """
    if (colours == colours[..., :1]).all():
        return np.ascontiguousarray(colours[..., 0])
    coded = colours.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    palette = voc_palette().astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    order = np.argsort(palette)
    at = np.searchsorted(palette[order], coded).clip(max=255)
    if (palette[order][at] != coded).any():
        raise ValueError(
            f"{name} is a colour picture, and its colours are no label numbers. Load the parser's PNG with Load Label "
            "Map, switch the parser node to label numbers, and never resize a label map with blending."
        )
    return order[at].astype(np.uint8)


def voc_palette() -> np.ndarray:
    """uint8 [256, 3]: bits of the label spread over the colours, as PASCAL VOC's devkit does and most parsers since."""
    labels = np.arange(256)
    palette = np.zeros((256, 3), np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= ((labels >> (3 * bit + channel) & 1) << (7 - bit)).astype(np.uint8)
    return palette


def label_numbers(source: np.ndarray | torch.Tensor, name: str) -> np.ndarray:
    """What a socket for label maps carries as uint8 [H, W]: CATVTON_LABELS as it is, IMAGE and MASK as label / 255."""
    if isinstance(source, np.ndarray):
        return source
    values = source.detach().to("cpu", torch.float32)
    values = values[..., :3] if values.ndim == 4 else values.reshape(-1, *values.shape[-2:])
    if len(values) != 1:
        raise ValueError(f"{name}: expected one label map, got a batch of {len(values)}")
    if values.max() > 1:  # some parser nodes hand on the numbers themselves
        values = values / 255
    numbers = values[0].mul(255).round().clamp(0, 255).byte().numpy()
    return labels_of_colours(numbers, name) if numbers.ndim == 3 else numbers


def maps_of(given: Mapping[str, np.ndarray | torch.Tensor | None]) -> dict[str, np.ndarray]:
    return {name: label_numbers(source, name) for name, source in given.items() if source is not None}
