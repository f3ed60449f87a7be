"""Pictures that training sees: drawn or read, cached, and refused clearly."""

import numpy as np
import pytest
import torch
from PIL import Image

from catvton.data.wardrobe import case
from catvton.train.cli import main
from catvton.train.randomness import shuffled
from catvton.train.samples import Folder, Several, Unrelated, Wardrobe
from catvton.train.shards import ITEMS, Shards


@pytest.fixture
def viton_hd(tmp_path):
    """Three pairs in VITON-HD's layout: persons 30x40, wider than 3:4 by nothing; garments of other shapes."""
    root = tmp_path / "set"
    random = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("image", "cloth", "agnostic-mask"):
            (root / split / name).mkdir(parents=True)
        lines = []
        for number in range(3):
            person = random.integers(0, 256, (64, 48, 3), dtype=np.uint8)
            mask = np.zeros((64, 48), np.uint8)
            mask[10:40, 8:40] = 255
            Image.fromarray(person).save(root / split / "image" / f"{number:05d}_00.png")
            Image.fromarray(person[:32]).save(root / split / "cloth" / f"{number:05d}_00.png")
            Image.fromarray(mask).save(root / split / "agnostic-mask" / f"{number:05d}_00_mask.png")
            lines.append(f"{number:05d}_00.png {number:05d}_00.png\n")
        (root / f"{split}_pairs.txt").write_text("".join(lines))
    return root


def test_a_drawn_sample_is_the_wardrobes_case():
    data = Wardrobe(3, (64, 48), seed=5)
    sample, drawn = data.sample(2), case(5, 2, "train", "upper")
    assert np.array_equal(sample["person"].permute(1, 2, 0).numpy(), np.asarray(drawn.scene((64, 48)).image))
    assert np.array_equal(sample["garment"].permute(1, 2, 0).numpy(), np.asarray(drawn.garment.flat((64, 48))))
    assert set(sample["mask"].unique().tolist()) == {0, 1}


def test_truth_of_a_drawn_case_differs_from_the_person_inside_the_mask_only():
    found = Wardrobe(2, (64, 48), split="test").tryon_case(1)
    differs = (found["truth"] != found["person"]).any(0)
    assert differs.any()
    assert found["mask"][0][differs].float().mean() > 0.95
    assert found["area"].sum() > 100


def test_held_out_cases_are_no_training_samples():
    training = [Wardrobe(8, (64, 48)).sample(i)["person"] for i in range(8)]
    for index in range(4):
        person = Wardrobe(4, (64, 48), split="test").sample(index)["person"]
        assert not any(torch.equal(person, other) for other in training)


def test_a_folders_sample_is_cropped_padded_and_cut_as_the_reference_does(viton_hd):
    sample = Folder(str(viton_hd), (64, 48)).sample(1)
    picture = np.asarray(Image.open(viton_hd / "train" / "image" / "00001_00.png"))
    assert np.array_equal(sample["person"].permute(1, 2, 0).numpy(), picture)  # its size already
    garment = sample["garment"].permute(1, 2, 0).numpy()
    assert np.array_equal(garment[16:48], picture[:32])
    assert (garment[:16] == 255).all() and (garment[48:] == 255).all()
    assert sample["mask"][0, 10:40, 8:40].all() and sample["mask"].sum() == 30 * 32


def test_training_on_a_folder(viton_hd, tmp_path, arguments):
    more = ["--data", str(viton_hd), "wardrobe", "--cache", str(tmp_path / "cache"), "--steps", "2"]
    assert main(arguments(tmp_path / "run", *more, "--sheet-every", "2")) == 0
    assert Image.open(tmp_path / "run" / "sheets" / "step-00000002.png").size == (5 * 48, 3 * 64)


def test_missing_files_are_named_before_training(viton_hd, tmp_path, arguments, capsys):
    gone = viton_hd / "train" / "cloth" / "00001_00.png"
    gone.unlink()
    more = ["--data", str(viton_hd), "--cache", str(tmp_path / "cache"), "--steps", "1"]
    assert main(arguments(tmp_path / "run", *more)) == 2
    assert str(gone) in capsys.readouterr().err
    assert not (tmp_path / "run" / "checkpoints").exists()
    assert main(arguments(tmp_path / "run", *more, "--skip-missing")) == 0


def test_unreadable_picture_is_named_and_nothing_half_written(viton_hd, tmp_path, arguments, capsys):
    broken = viton_hd / "train" / "image" / "00002_00.png"
    broken.write_bytes(broken.read_bytes()[:200])
    more = ["--data", str(viton_hd), "--cache", str(tmp_path / "cache"), "--steps", "1"]
    assert main(arguments(tmp_path / "run", *more)) == 2
    assert str(broken) in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["key.json"]


def test_mask_of_another_size_than_its_person_is_refused(viton_hd):
    path = viton_hd / "train" / "agnostic-mask" / "00000_00_mask.png"
    Image.open(path).resize((24, 32)).save(path)
    with pytest.raises(ValueError, match=r"is 24x32, its person .* is 48x64"):
        Folder(str(viton_hd), (64, 48)).sample(0)


@pytest.mark.parametrize("size", [(60, 48), (64, 0)])
def test_sizes_are_multiples_of_eight(size):
    with pytest.raises(ValueError, match="multiple of 8"):
        Wardrobe(1, size)


def test_several_sources_are_one_after_the_other():
    one, two = Wardrobe(2, (64, 48), seed=1), Wardrobe(3, (64, 48), seed=2)
    both = Several((one, two))
    assert len(both) == 5
    assert torch.equal(both.sample(3)["person"], two.sample(1)["person"])
    with pytest.raises(IndexError):
        both.sample(5)


def test_every_item_is_visited_once_an_epoch_in_a_new_order():
    epochs = [[shuffled(3, epoch * 50 + i, 50) for i in range(50)] for epoch in range(2)]
    assert all(sorted(epoch) == list(range(50)) for epoch in epochs)
    assert epochs[0] != epochs[1]


def test_shards_hold_what_was_made_and_go_on_where_they_stopped(tmp_path):
    made = []

    def make(index):
        made.append(index)
        if index == ITEMS + 3 and len(made) < ITEMS + 10:
            raise KeyboardInterrupt
        return {"x": torch.full((2,), index, dtype=torch.int32)}

    count = ITEMS + 5
    with pytest.raises(KeyboardInterrupt):
        Shards(tmp_path, "a", count).build(make, "x", progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["items-00000.safetensors", "key.json"]
    made.clear()
    shards = Shards(tmp_path, "a", count)
    shards.build(lambda i: (made.append(i), {"x": torch.full((2,), i)})[1], "x", progress=False)
    assert made == list(range(ITEMS, count))
    assert [int(shards[i]["x"][1]) for i in range(count)] == list(range(count))


def test_shards_that_cannot_be_written_are_not_there(tmp_path, small_files):
    shards = Shards(tmp_path, "data", 3)
    with small_files(4096), pytest.raises(OSError, match=r"items-00000\.safetensors could not be written"):
        shards.build(lambda index: {"x": torch.zeros(1000)}, "items", progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["key.json"]


def test_shards_of_other_data_are_refused(tmp_path):
    Shards(tmp_path, "a", 1)
    with pytest.raises(ValueError, match=r"made from other data \(a\), not from b"):
        Shards(tmp_path, "b", 1)


def test_unrelated_garments_come_from_the_next_sample():
    related = Wardrobe(3, (64, 48), seed=5)
    unrelated = Unrelated(related)
    assert unrelated.key != related.key and len(unrelated) == 3
    for index in range(3):
        sample = unrelated.sample(index)
        assert torch.equal(sample["person"], related.sample(index)["person"])
        assert torch.equal(sample["mask"], related.sample(index)["mask"])
        assert torch.equal(sample["garment"], related.sample((index + 1) % 3)["garment"])
        assert not torch.equal(sample["garment"], related.sample(index)["garment"])
    with pytest.raises(ValueError, match="two samples or more"):
        Unrelated(Wardrobe(1, (64, 48)))
