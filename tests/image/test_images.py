"""Reading pictures: every accepted form, and every bad input with the message that helps."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from catvton import images
from catvton.preparation import prepare

RGB = np.random.default_rng(0).integers(0, 256, (12, 10, 3), dtype=np.uint8)


def garment():
    return np.full((9, 9, 3), 200, np.uint8)


def half_mask(height=12, width=10):
    mask = np.zeros((height, width), np.uint8)
    mask[: height // 2] = 255
    return mask


@pytest.mark.parametrize(
    "source",
    [
        RGB,
        Image.fromarray(RGB),
        RGB.astype(np.float32) / 255,
        RGB.astype(np.float64) / 255,
        RGB.astype(np.int64),
        RGB.astype(np.uint16) * 257,
        RGB[None],
        torch.from_numpy(RGB),
        torch.from_numpy(RGB).float() / 255,
        (torch.from_numpy(RGB).double() / 255)[None].requires_grad_(),
        RGB[::-1, ::-1].copy()[::-1, ::-1],
    ],
)
def test_every_form_gives_the_same_picture(source):
    np.testing.assert_array_equal(images.rgb_array(source), RGB)


def test_rounding_overshoot_is_clipped():
    assert images.rgb_array(np.array([[-1e-6, 1 + 1e-6]], np.float32))[0, :, 0].tolist() == [0, 255]


def test_half_precision_is_read():
    half = (torch.from_numpy(RGB) / 255).to(torch.bfloat16)
    assert abs(images.rgb_array(half).astype(int) - RGB).max() <= 1


def test_paths_are_read(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.rgb_array(tmp_path / "a.png"), RGB)
    np.testing.assert_array_equal(images.rgb_array(str(tmp_path / "a.png")), RGB)


def test_greyscale_and_palette_and_cmyk_become_rgb():
    grey = images.rgb_array(RGB[..., 0])
    np.testing.assert_array_equal(grey, np.repeat(RGB[..., :1], 3, 2))
    palette = Image.fromarray(RGB).quantize(8)
    np.testing.assert_array_equal(images.rgb_array(palette), np.array(palette.convert("RGB")))
    cmyk = Image.fromarray(RGB).convert("CMYK")
    cmyk.info["icc_profile"] = b"a CMYK profile"
    np.testing.assert_array_equal(images.rgb_array(cmyk), np.array(cmyk.convert("RGB")))
    assert "icc_profile" not in images.open_picture(cmyk).info  # it would no longer fit


def test_clear_pixels_show_white():
    rgba = np.zeros((2, 2, 4), np.uint8)
    rgba[0, 0] = (9, 8, 7, 255)
    got = images.rgb_array(rgba)
    assert got[0, 0].tolist() == [9, 8, 7] and (got[1] == 255).all()
    palette = Image.new("P", (2, 2), 0)
    palette.info["transparency"] = 0
    assert (images.rgb_array(palette) == 255).all()


def test_16_bit_files_are_scaled(tmp_path):
    values = np.array([[0, 128, 257 * 7, 65535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    assert images.rgb_array(tmp_path / "deep.png")[0, :, 0].tolist() == [0, 0, 7, 255]


def test_first_frame_of_an_animation_with_a_warning(tmp_path):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.warns(UserWarning, match="garment has 2 frames; the first is used"):
        assert images.rgb_array(tmp_path / "a.gif", "garment")[0, 0].tolist() == [255, 0, 0]


def test_a_phones_photo_with_a_preview_is_no_animation(tmp_path, recwarn):
    photo = Image.new("RGB", (16, 16), "red")
    photo.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[Image.new("RGB", (16, 16), "blue")])
    assert images.rgb_array(tmp_path / "a.jpg")[8, 8].tolist() == [254, 0, 0] and not recwarn.list


def test_large_and_tiny_pictures():
    long = np.full((10, 10_000, 3), 70, np.uint8)
    assert prepare(long, garment(), None, 64, 48).person.shape == (1, 3, 64, 48)
    for fit in ("pad", "crop", "stretch"):
        assert prepare(np.full((1, 1, 3), 70, np.uint8), garment(), None, 64, 48, fit).person.shape == (1, 3, 64, 48)


@pytest.mark.parametrize(
    "content, says",
    [
        (b"<!DOCTYPE html><html>404</html>", "is a web page, not a picture: download the picture itself"),
        (b"  \n<html lang=en>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:", "is a Git LFS pointer.*git lfs pull"),
        (b"<?xml version='1.0'?><svg xmlns=", "is an SVG drawing: export it as PNG"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00", "is a HEIC or AVIF photo.*export it as JPEG"),
        (b"", r"is empty \(0 bytes\)"),
        (b"\x00\x01nonsense", "is not a picture that Pillow"),
    ],
)
def test_files_that_are_no_pictures(tmp_path, content, says):
    path = tmp_path / "shirt.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=says):
        images.open_picture(path, "garment")


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_truncated_files(tmp_path, kind):
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)).save(buffer, kind)
    path = tmp_path / f"shirt.{kind}"
    path.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    with pytest.raises(ValueError, match=r"garment: .*shirt.* is truncated or damaged \(\d+ bytes"):
        images.open_picture(path, "garment")


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"person: there is no file .*nobody\.png"):
        images.open_picture(tmp_path / "nobody.png", "person")
    with pytest.raises(ValueError, match="is a folder"):
        images.open_picture(tmp_path, "person")


@pytest.mark.parametrize(
    "array, says",
    [
        (np.full((4, 4, 3), np.nan, np.float32), "person holds NaN or infinity"),
        (np.full((4, 4, 3), np.inf), "person holds NaN or infinity"),
        (
            np.full((4, 4, 3), -0.5, np.float32),
            r"float values must lie in 0\.\.1, got -0\.5\.\.-0\.5; .*\(x \+ 1\) / 2",
        ),
        (np.full((4, 4, 3), 200.0), r"float values must lie in 0\.\.1, got 200\.\.200; divide by 255"),
        (np.full((4, 4, 3), -1), r"integer values must lie in 0\.\.255, got -1\.\.-1 \(int64\)"),
        (np.full((4, 4, 3), 300), r"integer values must lie in 0\.\.255, got 300"),
        (np.zeros((3, 40, 30), np.uint8), r"\[3, 40, 30\] looks like \[C, H, W\].*permute\(1, 2, 0\)"),
        (np.zeros((6, 4, 5), np.uint8), r"with C of 1 to 4, got \[6, 4, 5\]"),
        (np.zeros(7, np.uint8), r"got \[7\]"),
        (np.zeros((0, 4, 3), np.uint8), "has no pixels"),
        (np.zeros((2, 4, 4, 3), np.uint8), "expected one picture, got a batch of 2"),
        (np.full((4, 4), 1j), "cannot read values of type complex128"),
    ],
)
def test_arrays_that_are_no_pictures(array, says):
    with pytest.raises(ValueError, match=says):
        images.open_picture(array, "person")


def test_other_types_are_named():
    with pytest.raises(TypeError, match=r"person: expected a path, a PIL image.*got <class 'dict'>"):
        images.open_picture({}, "person")
    with pytest.raises(ValueError, match=r"person has values in -3\.\.5, expected 16 bits"):
        images.open_picture(Image.fromarray(np.array([[-3, 5]], np.int32)), "person")


def test_masks_by_brightness_alpha_and_softness():
    strokes = np.zeros((4, 4, 4), np.uint8)
    strokes[1, 1] = (0, 0, 0, 200)  # a soft black stroke on a clear sheet
    assert images.mask_array(strokes)[1, 1] == 200 and images.mask_array(strokes).sum() == 200
    opaque = np.zeros((4, 4, 4), np.uint8)
    opaque[..., 3] = 255
    opaque[2] = 255
    assert images.mask_array(opaque)[2].tolist() == [255] * 4 and images.mask_array(opaque)[1].tolist() == [0] * 4
    assert images.mask_array(np.eye(4, dtype=bool)).tolist() == (np.eye(4) * 255).tolist()
    assert images.mask_array(torch.eye(6)[None]).tolist() == (np.eye(6) * 255).tolist()  # ComfyUI's MASK
    assert images.mask_array(Image.new("1", (3, 2), 1)).tolist() == [[255] * 3] * 2


def test_empty_and_full_masks_are_refused():
    with pytest.raises(ValueError, match=r"mask is empty: no pixel.*largest value is 100 of 255"):
        prepare(RGB, garment(), np.full((12, 10), 100, np.uint8), 64, 48)
    with pytest.raises(ValueError, match="mask covers the whole picture"):
        prepare(RGB, garment(), np.full((12, 10), 255, np.uint8), 64, 48)


def test_a_mask_of_another_size_is_resized_with_both_sizes_named():
    with pytest.warns(UserWarning, match="mask is 20x24, the person 10x12; the mask is resized"):
        got = prepare(RGB, garment(), half_mask(24, 20), 96, 80)
    np.testing.assert_array_equal(got.mask, prepare(RGB, garment(), half_mask(), 96, 80).mask)
