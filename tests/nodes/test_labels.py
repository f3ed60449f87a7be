"""Label maps from files and parser nodes: numbers stay numbers, the usual colours are read back, others refused."""

import numpy as np
import pytest
import torch
from PIL import Image

# The first colours of PASCAL VOC's palette, as its documentation and every copy of it list them.
VOC = [(0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128), (0, 128, 128), (128, 128, 128)]
VOC += [(64, 0, 0), (192, 0, 0), (64, 128, 0), (192, 128, 0), (64, 0, 128), (192, 0, 128), (64, 128, 128)]
VOC += [(192, 128, 128), (0, 64, 0), (128, 64, 0), (0, 192, 0), (128, 192, 0), (0, 64, 128)]


@pytest.fixture(scope="module")
def labels(module):
    return module("labels")


@pytest.fixture
def numbers():
    return np.random.default_rng(0).integers(0, 20, (9, 7), dtype=np.uint8)


def coloured(numbers, palette=VOC):
    return np.array(palette, np.uint8)[numbers]


def test_the_palette_is_vocs(labels):
    assert [tuple(colour) for colour in labels.voc_palette()[: len(VOC)]] == VOC


@pytest.mark.parametrize("kind", ["L", "P", "RGB of greys", "I;16", "VOC colours", "RGBA of VOC colours"])
def test_every_way_to_write_a_map_reads_the_same(labels, numbers, kind, tmp_path):
    picture = Image.fromarray(numbers)
    if kind == "P":
        picture.putpalette([value for colour in VOC[::-1] for value in colour])  # any palette: the indices count
    elif kind == "RGB of greys":
        picture = picture.convert("RGB")
    elif kind == "I;16":
        picture = Image.fromarray(numbers.astype(np.uint16))
    elif kind != "L":
        picture = Image.fromarray(coloured(numbers)).convert(kind.split()[0].replace("VOC", "RGB"))
    picture.save(tmp_path / "map.png")
    with Image.open(tmp_path / "map.png") as read:
        got = labels.labels_of_picture(read, "map.png")
    assert got.dtype == np.uint8
    assert np.array_equal(got, numbers)


def test_other_colours_are_refused_by_name(labels, numbers):
    with pytest.raises(ValueError, match=r"atr is a colour picture.*Load Label Map"):
        labels.labels_of_colours(coloured(numbers, [(i, 2 * i, 255 - i) for i in range(20)]), "atr")
    with pytest.raises(ValueError, match=r"label numbers lie in 0\.\.255"):
        labels.labels_of_picture(Image.fromarray(np.full((2, 2), 300, np.uint16)), "map")


@pytest.mark.parametrize("as_socket", ["labels", "mask", "image", "image of numbers", "fp16 mask", "coloured image"])
def test_sockets_carry_the_same_numbers(labels, numbers, as_socket):
    grey = torch.from_numpy(numbers).float() / 255
    source = {
        "labels": numbers,
        "mask": grey[None],
        "image": grey[None, ..., None].expand(-1, -1, -1, 3),
        "image of numbers": 255 * grey[None, ..., None].expand(-1, -1, -1, 3),
        "fp16 mask": grey[None].half(),
        "coloured image": torch.from_numpy(coloured(numbers)).float()[None] / 255,
    }[as_socket]
    assert np.array_equal(labels.label_numbers(source, "lip"), numbers)


def test_a_batch_of_maps_is_refused(labels):
    with pytest.raises(ValueError, match="lip: expected one label map, got a batch of 2"):
        labels.label_numbers(torch.zeros(2, 4, 4), "lip")


def test_only_connected_maps_are_handed_on(labels, numbers):
    got = labels.maps_of({"atr": numbers, "lip": None})
    assert list(got) == ["atr"]
