"""Pictures of 12 megapixels: against Pillow and numpy, used as the reference implementation uses them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image, ImageFilter
from rounds import Rounds, Row

from catvton import masks
from catvton._native import C
from catvton.data import wardrobe
from catvton.paste_back import default_feather, paste_back
from catvton.preparation import Placement, prepare

PREPARED = (1024, 768)
LANCZOS = Image.Resampling.LANCZOS


def rows(rounds: Rounds, quick: bool) -> Iterator[Row]:
    height, width = (1000, 752) if quick else (4000, 3000)
    person = wardrobe.Person.sample(7)
    scene = wardrobe.draw(person, wardrobe.Outfit.sample(7), size=(500, 375))
    photo = scene.image.resize((width, height), LANCZOS)
    mask = scene.agnostic_mask("upper").resize((width, height))
    garment = wardrobe.Garment.sample(8, category="upper").flat(PREPARED)
    result = photo.resize(PREPARED[::-1])
    pixels, mask_u8, sigma = np.array(photo), np.array(mask), default_feather(height)
    size = f"{width}x{height}"

    _same(C.image.resample_lanczos(pixels, *PREPARED), photo.resize(PREPARED[::-1], LANCZOS), most=1)
    yield rounds.compare(
        f"LANCZOS {size} RGB to 768x1024",
        "Pillow",
        lambda: C.image.resample_lanczos(pixels, *PREPARED),
        lambda: photo.resize(PREPARED[::-1], LANCZOS),
    )
    made = np.array(result)
    yield rounds.compare(
        f"LANCZOS 768x1024 RGB to {size}",
        "Pillow",
        lambda: C.image.resample_lanczos(made, height, width),
        lambda: result.resize((width, height), LANCZOS),
    )
    _same(C.image.gaussian_blur_pillow(mask_u8, sigma), mask.filter(ImageFilter.GaussianBlur(sigma)), most=0)
    yield rounds.compare(
        f"Gaussian of sigma {sigma}, {size} mask",
        "Pillow",
        lambda: C.image.gaussian_blur_pillow(mask_u8, sigma),
        lambda: mask.filter(ImageFilter.GaussianBlur(sigma)),
    )

    def ours() -> Image.Image:
        ready = prepare(photo, garment, mask, *PREPARED, fit="crop")
        return paste_back(photo, result, mask, ready.placement)

    def theirs() -> Image.Image:
        _prepare_as_the_reference(photo, garment, mask)
        return _paste_as_the_reference(photo, result, mask)

    _same(ours(), theirs(), most=1)
    yield rounds.compare(f"prepare and paste back, {size}", "Pillow + numpy", ours, theirs)
    yield from _mask(rounds, wardrobe.draw(person, wardrobe.Outfit.sample(7), size=(height, width)))


def _mask(rounds: Rounds, scene: wardrobe.Scene) -> Iterator[Row]:
    try:
        import cv2
        import masker_cv2
    except ImportError:
        print("the mask from label maps: skipped, OpenCV is not there (pip install 'opencv-python-headless<5')")
        return
    cv2.setNumThreads(torch.get_num_threads())
    maps = scene.atr, scene.lip, scene.densepose
    ours, theirs = masks.agnostic("upper", *maps), masker_cv2.upper_mask(*maps)
    if (apart := (ours != theirs).mean()) > 1e-4:  # other versions of OpenCV fill polygons a little differently
        raise RuntimeError(f"the two masks differ in {apart:.2%} of the pixels")
    height, width = ours.shape
    yield rounds.compare(
        f"mask of upper from three label maps, {width}x{height}",
        "OpenCV + numpy",
        lambda: masks.agnostic("upper", *maps),
        lambda: masker_cv2.upper_mask(*maps),
    )


def _prepare_as_the_reference(photo: Image.Image, garment: Image.Image, mask: Image.Image) -> list[np.ndarray]:
    """utils.py of the reference: resize_and_crop, resize_and_padding, prepare_image, prepare_mask_image."""
    box, target = _crop(photo.size), PREPARED[::-1]
    person = (
        np.array(photo.crop(box).resize(target, LANCZOS))[None].transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
    )
    hidden = np.array(mask.crop(box).resize(target, LANCZOS).convert("L")).astype(np.float32)[None, None] / 255
    hidden = (hidden >= 0.5).astype(np.float32)
    shrunk = garment.copy()
    shrunk.thumbnail(target, LANCZOS)
    padded = Image.new("RGB", target, "white")
    padded.paste(shrunk, ((target[0] - shrunk.width) // 2, (target[1] - shrunk.height) // 2))
    cloth = np.array(padded)[None].transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
    return [person, cloth, hidden, person * (hidden < 0.5), hidden[..., ::8, ::8]]


def _paste_as_the_reference(photo: Image.Image, result: Image.Image, mask: Image.Image) -> Image.Image:
    """`repaint` of the reference's inference.py, but in the original and not at the model's size."""
    left, top, right, bottom = _crop(photo.size)
    soft = mask.filter(ImageFilter.GaussianBlur(default_feather(bottom - top)))
    alpha = (np.array(soft).astype(np.float32) / 255)[top:bottom, left:right, None]
    original = np.array(photo)
    patch = np.array(result.resize((right - left, bottom - top), LANCZOS))
    blended = patch * alpha + original[top:bottom, left:right] * (1 - alpha)
    original[top:bottom, left:right] = np.rint(blended).astype(np.uint8)
    return Image.fromarray(original)


def _crop(size: tuple[int, int]) -> tuple[int, int, int, int]:
    return Placement.of(size, PREPARED[::-1], "crop").box


def _same(ours: np.ndarray | Image.Image, theirs: Image.Image, most: int) -> None:
    """What is timed must be the same work: results at most `most` levels apart."""
    apart = np.abs(np.asarray(ours, np.int16) - np.asarray(theirs, np.int16)).max()
    if apart > most:
        raise RuntimeError(f"the two ways differ by {apart} of 255 levels, expected at most {most}")
