"""ComfyUI's IMAGE and MASK to the engine's pictures: every shape and dtype that nodes hand on, and nothing changed."""

import pytest
import torch

SHAPE = (2, 5, 4, 3)


@pytest.fixture(scope="module")
def pictures(module):
    return module("pictures")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("channels", [3, 4])
def test_images_become_float32_pictures_without_alpha(pictures, dtype, channels):
    images = torch.rand(2, 5, 4, channels).to(dtype)
    got = pictures.pictures(images, "person")
    assert len(got) == 2
    for i, picture in enumerate(got):
        assert picture.dtype == torch.float32
        assert torch.equal(picture, images[i, ..., :3].float())


def test_an_image_without_a_batch_is_one(pictures):
    image = torch.rand(5, 4, 3)
    assert torch.equal(pictures.pictures(image, "person")[0], image)


def test_overshoot_is_cut_and_the_input_kept(pictures):
    images = torch.tensor([-0.25, 0.5, 1.25]).expand(1, 2, 2, 3).clone()
    before = images.clone()
    assert pictures.pictures(images, "person")[0][0, 0].tolist() == [0, 0.5, 1]
    assert torch.equal(images, before)


def test_inference_tensors_are_taken_as_they_are(pictures):
    with torch.inference_mode():
        images, mask = torch.rand(SHAPE), torch.rand(2, 5, 4)
    assert pictures.pictures(images, "person")[0].numpy().shape == (5, 4, 3)
    assert pictures.masks(mask)[0].numpy().shape == (5, 4)


@pytest.mark.parametrize("shape", [(5, 4), (1, 5, 4, 2), (0, 5, 4, 3), (2, 2, 5, 4, 3)])
def test_what_is_no_image_is_refused_by_name_and_shape(pictures, shape):
    with pytest.raises(ValueError, match=r"garment: expected an IMAGE .* got the shape \["):
        pictures.pictures(torch.zeros(shape), "garment")


@pytest.mark.parametrize("shape", [(5, 4), (1, 5, 4), (1, 1, 5, 4), (1, 5, 4, 1)])
def test_every_shape_of_a_mask_is_that_mask(pictures, shape):
    mask = torch.rand(5, 4)
    (got,) = pictures.masks(mask.reshape(shape))
    assert torch.equal(got, mask)


def test_a_batch_of_masks_is_several(pictures):
    masks = torch.rand(3, 5, 4)
    assert torch.equal(torch.stack(pictures.masks(masks)), masks)


def test_no_mask_and_the_placeholder_are_none(pictures):
    assert pictures.masks(None) is None
    assert pictures.masks(torch.zeros(1, 64, 64)) is None
    assert pictures.masks(torch.zeros(64, 64)) is None


def test_a_painted_mask_of_the_placeholders_size_counts(pictures):
    mask = torch.zeros(1, 64, 64)
    mask[0, 3, 3] = 1
    assert torch.equal(pictures.masks(mask)[0], mask[0])
    assert pictures.masks(torch.zeros(1, 65, 64)) is not None


def test_one_refuses_a_batch_by_name(pictures):
    assert pictures.one(None, "protect") is None
    assert pictures.one([1], "protect") == 1
    with pytest.raises(ValueError, match="protect: expected one picture, got a batch of 2"):
        pictures.one([1, 2], "protect")
