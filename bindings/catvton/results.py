"""What a try-on gives back."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from .images import PictureLike, open_picture, to_uint8


@dataclass(frozen=True)
class Result:
    """One try-on. In a notebook it shows as its picture."""

    image: Any  # of the kind that the person came as: PIL (a path, too), numpy [H, W, 3] or torch [H, W, 3]
    seed: int | None  # what repeats it; None where the caller brought generator or noise
    seconds: float  # spent in the model, a batch's time shared out evenly

    @property
    def pil(self) -> Image.Image:
        """The picture as PIL, whatever `image` is."""
        return self.image if isinstance(self.image, Image.Image) else open_picture(self.image)

    def save(self, path: str | Path, **options: Any) -> Path:
        """Writes the picture to `path`, in the format that its ending names; a broken write leaves no file."""
        path = Path(path)
        temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
        try:
            self.pil.save(temporary, **options)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        return path

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.pil.save(buffer, "PNG")
        return buffer.getvalue()


def like(source: PictureLike, picture: np.ndarray) -> Any:
    """float32 [H, W, 3] in 0..1 as the kind of picture that `source` is.

    A numpy array or tensor gives its own dtype back (float in 0..1, uint8 in 0..255), its leading batch dimension of 1
    if it had one, and a tensor its device. Everything else gives an RGB PIL image.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(source, torch.Tensor):
        values = picture if source.is_floating_point() else to_uint8(picture)
        tensor = torch.from_numpy(np.ascontiguousarray(values)).to(source.device)
        tensor = tensor.to(source.dtype) if source.is_floating_point() else tensor
        return tensor[None] if source.ndim == 4 else tensor
    if isinstance(source, np.ndarray):
        values = picture.astype(source.dtype) if source.dtype.kind == "f" else to_uint8(picture)
        return values[None] if source.ndim == 4 else values
    return Image.fromarray(to_uint8(picture))
