"""Reading pictures: whatever people hand over becomes an upright 8-bit picture, or an error that names the fix.

Accepted everywhere a picture is asked for: a path, a `PIL.Image`, a numpy array or a torch tensor of [H, W], [H, W, C]
or [1, H, W, C] (ComfyUI's IMAGE), uint8 in 0..255, uint16 in 0..65535 or float in 0..1.
"""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from .atomic import replacing

PictureLike = Any  # str | Path | PIL.Image.Image | numpy.ndarray | torch.Tensor
KEPT_MODES = ("L", "LA", "RGB", "RGBA")


def open_picture(source: PictureLike, name: str = "image") -> Image.Image:
    """`source` as an upright picture of mode L, LA, RGB or RGBA; `info` keeps the colour profile.

    EXIF orientation is applied. An animation gives its first frame, with a warning. 16-bit values are divided by 257;
    palettes, CMYK and other colour spaces become RGB (CMYK's colour profile is dropped, it no longer fits).

    Raises: FileNotFoundError; ValueError for what is no picture, is broken or has values out of range; TypeError.
    """
    if isinstance(source, (str, os.PathLike)):
        return _to_kept_mode(read_file(Path(source), name), name)
    if isinstance(source, Image.Image):
        return _to_kept_mode(source, name)
    return Image.fromarray(_bytes_of_array(as_numpy(source, name), name))


def rgb_array(source: PictureLike, name: str = "image") -> np.ndarray:
    """`source` as uint8 [H, W, 3]. Transparent pixels show white, the colour that garments are padded with."""
    picture = open_picture(source, name)
    if picture.mode in ("LA", "RGBA"):
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return np.array(picture.convert("RGB"))


def mask_array(source: PictureLike, name: str = "mask") -> np.ndarray:
    """`source` as uint8 [H, W]: 255 may be painted, 0 is kept, between is soft.

    A picture with transparency is read as strokes on a clear sheet: its alpha is the mask. Otherwise its brightness is.
    Not checked for sense here (`check_mask` does that), only for being a picture.
    """
    if not isinstance(source, (str, os.PathLike, Image.Image)):
        array = as_numpy(source, name)
        if array.ndim == 3 and array.shape[0] == 1:  # ComfyUI's MASK, [1, H, W]
            array = array[0]
        source = Image.fromarray(_bytes_of_array(array, name))
    picture = open_picture(source, name)
    if picture.mode in ("LA", "RGBA") and picture.getextrema()[-1][0] < 255:
        return np.array(picture.getchannel("A"))
    return np.array(picture.convert("L"))


def check_mask(mask: np.ndarray, name: str = "mask") -> None:
    """Refuses a uint8 mask [H, W] that hides nothing (no value >= 128) or everything."""
    if not (mask >= 128).any():
        raise ValueError(
            f"{name} is empty: no pixel is at least half white (its largest value is {mask.max()} of 255), so there is "
            "nothing to paint. White marks the clothes to replace; is it inverted, or cropped away?"
        )
    if (mask >= 128).all():
        raise ValueError(
            f"{name} covers the whole picture, so nothing of the person would be left. White marks the clothes to "
            "replace only; black keeps the picture."
        )


def save_picture(picture: Image.Image, path: str | os.PathLike[str], **options: Any) -> None:
    """Writes under a temporary name and renames it, so that nobody reads half a picture. Keeps the colour profile.

    options: of Pillow's writer for the format that the ending names, such as quality.
    """
    path = Path(path)
    if path.suffix.lower() not in Image.registered_extensions():
        raise ValueError(f"cannot tell the format of {path} by its ending; use .png, .jpg or .webp")
    with replacing(path) as temporary:
        picture.save(temporary, **options)


def to_uint8(picture: np.ndarray) -> np.ndarray:
    """Float pictures in 0..1 (clipped) as uint8, rounded half to even as diffusers does it; any shape."""
    return np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8)


def read_file(path: Path, name: str = "image") -> Image.Image:
    """The picture at `path`, upright, in the mode it is stored in; the first of several, with a warning.

    Raises FileNotFoundError, or ValueError that says what the file is instead.
    """
    if not path.exists():
        raise FileNotFoundError(f"{name}: there is no file {path}")
    if path.is_dir():
        raise ValueError(f"{name}: {path} is a folder, expected one picture")
    try:
        with Image.open(path) as picture:
            picture.load()
            frames = getattr(picture, "n_frames", 1)
            if frames > 1 and picture.format != "MPO":  # phones put a preview beside the photo
                warnings.warn(f"{name} has {frames} frames; the first is used", stacklevel=4)
            return ImageOps.exif_transpose(picture)
    except UnidentifiedImageError:
        raise ValueError(f"{name}: {path} {_what_it_is(path)}") from None
    except Image.DecompressionBombError:
        raise ValueError(f"{name}: {path} has more pixels than Pillow opens safely; make it smaller first") from None
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        size = path.stat().st_size
        raise ValueError(
            f"{name}: {path} is truncated or damaged ({size} bytes; {error}). Download or export it again."
        ) from None


def _what_it_is(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(512)
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return "is empty (0 bytes)"
    if b"<svg" in text:
        return "is an SVG drawing: export it as PNG"
    if head[4:8] == b"ftyp":
        return "is a HEIC or AVIF photo that this Pillow cannot read: export it as JPEG, or install pillow-heif"
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "is a web page, not a picture: download the picture itself, not the page that shows it"
    if text.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer, not the picture: run `git lfs pull`"
    return f"is not a picture that Pillow {Image.__version__} can read (it begins with {head[:8]!r})"


def _to_kept_mode(picture: Image.Image, name: str) -> Image.Image:
    info = dict(picture.info)
    picture = ImageOps.exif_transpose(picture)
    if 0 in picture.size:
        raise ValueError(f"{name} has no pixels: its size is {picture.width}x{picture.height}")
    if picture.mode.startswith("I"):  # 16-bit greyscale; older Pillow reads it into 32 bits
        values = np.array(picture)
        if values.min() < 0 or values.max() > 65535:
            raise ValueError(f"{name} has values in {values.min()}..{values.max()}, expected 16 bits (0..65535)")
        picture = Image.fromarray(_bytes_of_array(values.astype(np.uint16), name))
    elif picture.mode == "F":
        picture = Image.fromarray(_bytes_of_array(np.array(picture), name))
    elif picture.mode in ("P", "PA") or "transparency" in info:
        clear = picture.mode == "PA" or "transparency" in info
        picture = picture.convert("RGBA" if clear else "RGB")
    elif picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode in ("La", "RGBa"):
        picture = picture.convert(picture.mode.upper())
    elif picture.mode not in KEPT_MODES:
        picture = picture.convert("RGB")
        info.pop("icc_profile", None)
    picture.info = {key: info[key] for key in ("icc_profile", "dpi") if key in info}
    return picture


def as_numpy(source: Any, name: str = "image") -> np.ndarray:
    """An array or tensor as numpy without its batch of one; floats of half precision as float32. Values unchecked."""
    torch = sys.modules.get("torch")  # a tensor can only come from an imported torch
    if torch is not None and isinstance(source, torch.Tensor):
        tensor = source.detach().cpu()
        array = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    elif isinstance(source, np.ndarray):
        array = source
    else:
        raise TypeError(f"{name}: expected a path, a PIL image, a numpy array or a torch tensor, got {type(source)!r}")
    if array.ndim == 4:
        if array.shape[0] != 1:
            raise ValueError(f"{name}: expected one picture, got a batch of {array.shape[0]}; pass them one by one")
        array = array[0]
    return array


def _bytes_of_array(array: np.ndarray, name: str) -> np.ndarray:
    """uint8 [H, W] or [H, W, 2 to 4]."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim == 3 and array.shape[2] not in (2, 3, 4) and array.shape[0] in (1, 3, 4):
        raise ValueError(
            f"{name}: the shape {list(array.shape)} looks like [C, H, W]; expected [H, W, C]: use permute(1, 2, 0)"
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (2, 3, 4)):
        raise ValueError(f"{name}: expected the shape [H, W] or [H, W, C] with C of 1 to 4, got {list(array.shape)}")
    if array.size == 0:
        raise ValueError(f"{name} has no pixels: its shape is {list(array.shape)}")
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * 255
    if array.dtype == np.uint8:
        return np.ascontiguousarray(array)
    low, high = array.min(), array.max()
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise ValueError(f"{name} holds NaN or infinity; check the step that made it")
        if low < -1e-3 or high > 1 + 1e-3:  # a resize or a VAE may overshoot by rounding
            fix = "divide by 255" if low > -1e-3 and high <= 255 else "bring it to 0..1, as (x + 1) / 2 does for -1..1"
            raise ValueError(f"{name}: float values must lie in 0..1, got {low:g}..{high:g}; {fix}")
        return to_uint8(array)
    if array.dtype.kind in "iu":
        if low < 0 or high > 255:
            raise ValueError(f"{name}: integer values must lie in 0..255, got {low}..{high} ({array.dtype})")
        return array.astype(np.uint8)
    raise ValueError(f"{name}: cannot read values of type {array.dtype}; use uint8 or float32")
