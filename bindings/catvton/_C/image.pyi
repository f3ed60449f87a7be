"""
8-bit pictures as numpy arrays: resampling, blur, masks, blending
"""

from __future__ import annotations

import typing

import numpy
import numpy.typing

__all__: list[str] = [
    "PARTS",
    "agnostic_mask",
    "blend",
    "close_holes_drop_islands",
    "convex_hulls",
    "dilate_square",
    "gaussian_blur_opencv",
    "gaussian_blur_pillow",
    "grow_disc",
    "resample_lanczos",
]

def agnostic_mask(parts: typing.Annotated[numpy.typing.ArrayLike, numpy.uint8]) -> numpy.typing.NDArray[numpy.uint8]:
    """
    The reference's agnostic mask (0/255) from PARTS' bits, uint8 [H, W].
    """

def blend(
    original: typing.Annotated[numpy.typing.ArrayLike, numpy.uint8],
    result: typing.Annotated[numpy.typing.ArrayLike, numpy.uint8],
    mask: typing.Annotated[numpy.typing.ArrayLike, numpy.uint8],
    truncate: bool = False,
) -> numpy.typing.NDArray[numpy.uint8]:
    """
    original * (1 - mask / 255) + result * mask / 255; truncate=True cuts instead of rounding.
    """

def close_holes_drop_islands(
    mask: typing.Annotated[numpy.typing.ArrayLike, numpy.uint8], max_hole: int, min_island: int
) -> numpy.typing.NDArray[numpy.uint8]:
    """
    Holes up to max_hole pixels filled, islands under min_island pixels removed (the largest stays).
    """

def convex_hulls(mask: typing.Annotated[numpy.typing.ArrayLike, numpy.uint8]) -> numpy.typing.NDArray[numpy.uint8]:
    """
    The filled convex hulls of the mask's outer contours.
    """

def dilate_square(
    mask: typing.Annotated[numpy.typing.ArrayLike, numpy.uint8], size: int, times: int = 1
) -> numpy.typing.NDArray[numpy.uint8]:
    """
    The mask (0/255) grown by a square of odd size.
    """

def gaussian_blur_opencv(
    picture: typing.Annotated[numpy.typing.ArrayLike, numpy.uint8], size: int
) -> numpy.typing.NDArray[numpy.uint8]:
    """
    cv2.GaussianBlur(picture, (size, size), 0), one channel.
    """

def gaussian_blur_pillow(
    picture: typing.Annotated[numpy.typing.ArrayLike, numpy.uint8], sigma: float
) -> numpy.typing.NDArray[numpy.uint8]:
    """
    Pillow's GaussianBlur(sigma), byte for byte.
    """

def grow_disc(
    mask: typing.Annotated[numpy.typing.ArrayLike, numpy.uint8], radius: float
) -> numpy.typing.NDArray[numpy.uint8]:
    """
    All pixels within `radius` of the mask; a negative radius shrinks it.
    """

def resample_lanczos(
    picture: typing.Annotated[numpy.typing.ArrayLike, numpy.uint8], height: int, width: int
) -> numpy.typing.NDArray[numpy.uint8]:
    """
    Pillow's LANCZOS to height x width, byte for byte; four channels are RGBA.
    """

PARTS: dict = {"extremity": 1, "limb": 2, "face": 4, "kept": 8, "person": 16, "body": 32, "clothes": 64}
