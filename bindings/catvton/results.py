"""What a try-on gives back."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .images import PictureLike, open_picture, save_picture, to_uint8


@dataclass(frozen=True)
class Result:
    """One try-on. In a notebook it shows as its picture."""

    image: Any  # of the kind that the person came as: PIL (a path, too), numpy or torch [H, W, C]
    plain: Image.Image  # what the model made at its own size, before it was pasted back
    seed: int | None  # what repeats it; None where the caller brought generator or noise
    seconds: float  # spent in the model, a batch's time shared out evenly
    memory: str = "normal"  # the mode that it was made in; see `catvton.modes`

    @property
    def pil(self) -> Image.Image:
        """The picture as PIL, whatever `image` is."""
        return self.image if isinstance(self.image, Image.Image) else open_picture(self.image)

    def save(self, path: str | Path, **options: Any) -> Path:
        """Writes the picture to `path`, in the format that its ending names; see `images.save_picture`."""
        save_picture(self.pil, path, **options)
        return Path(path)

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.pil.save(buffer, "PNG")
        return buffer.getvalue()


def like(source: PictureLike, made: Image.Image) -> Any:
    """`made` as the kind of picture that `source` is: an array of its dtype and a tensor on its device, a leading batch
    dimension of 1 where it had one; a PIL image for everything else.

    uint8 holds 0..255, float 0..1. Where a float picture's 8-bit value did not change, its own value stays: what paste
    back keeps, it keeps to the last bit.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(source, torch.Tensor):
        array = _as_array(source.detach().cpu().float().numpy() if source.is_floating_point() else source, made)
        tensor = torch.from_numpy(array).to(source.device)
        return tensor.to(source.dtype) if source.is_floating_point() else tensor
    if isinstance(source, np.ndarray):
        return _as_array(source, made)
    return made


def _as_array(source: Any, made: Image.Image) -> np.ndarray:
    """`made` as [H, W, C], [1, H, W, C] or [H, W] like `source`; float where that is."""
    values = np.array(made)
    if values.ndim == 2 and source.ndim > 2:
        values = values[..., None]
    if source.ndim == 4:
        values = values[None]
    if not isinstance(source, np.ndarray) or source.dtype.kind != "f":
        return values
    floats = values.astype(source.dtype) / source.dtype.type(255)
    return np.where(to_uint8(source) == values, source, floats) if source.shape == values.shape else floats
