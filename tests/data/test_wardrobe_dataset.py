"""The drawn wardrobe on disk, and the reader of VITON-HD's and DressCode's layouts."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import catvton.data
from catvton.data import cli
from catvton.data.pairs import read_pairs
from catvton.data.wardrobe import case
from catvton.data.wardrobe.dataset import LAYOUTS, Job, write

SIZE = (64, 48)


def files(root):
    return {str(p.relative_to(root)): p.read_bytes() for p in sorted(Path(root).rglob("*")) if p.is_file()}


@pytest.fixture(scope="module", params=LAYOUTS)
def drawn(request, tmp_path_factory):
    job = Job(str(tmp_path_factory.mktemp(request.param)), 4, SIZE, request.param, seed=9)
    write(job, progress=False)
    return job


@pytest.mark.parametrize("paired", [True, False])
def test_the_reader_reads_it_back(drawn, paired):
    pairs = read_pairs(drawn.out, paired=paired)
    assert pairs.layout == drawn.layout
    assert len(pairs) == 4 * len(drawn.categories)
    for i, pair in enumerate(pairs):
        category, index = drawn.categories[i // 4], i % 4
        want = case(9, index, "test", category)
        garment = want.garment if paired else case(9, (index + 1) % 4, "test", category).garment
        person, cloth, mask = pair.open()
        assert pair.category == category
        assert close(person, want.scene(SIZE).image)
        assert close(cloth, garment.flat(SIZE))
        assert mask.tobytes() == want.scene(SIZE).agnostic_mask(category).tobytes()
        with Image.open(pair.truth) as truth:
            assert close(truth, want.truth(garment, SIZE).image)


def close(a, b):
    """Equal but for JPEG's rounding."""
    return abs(np.asarray(a, int) - np.asarray(b, int)).mean() < 3


def test_label_maps_are_written_losslessly(drawn):
    for category in drawn.categories:
        paths, scene = drawn.paths(category, 1), case(9, 1, "test", category).scene(SIZE)
        for name, labels in (("atr", scene.atr), ("lip", scene.lip), ("densepose", scene.densepose)):
            with Image.open(paths[name]) as picture:
                assert picture.mode == "P"
                assert (np.asarray(picture) == labels).all()


def test_names_are_those_of_the_real_sets(tmp_path):
    viton, dress = Job(str(tmp_path), 2), Job(str(tmp_path), 2, layout="dresscode", split="train")
    relative = {k: str(p.relative_to(tmp_path)) for k, p in viton.paths("upper", 1).items()}
    assert relative["image"] == "test/image/00001_00.jpg"
    assert relative["cloth"] == "test/cloth/00001_00.jpg"
    assert relative["mask"] == "test/agnostic-mask/00001_00_mask.png"
    assert relative["lip"] == "test/image-parse-v3/00001_00.png"
    relative = {k: str(p.relative_to(tmp_path)) for k, p in dress.paths("lower", 1).items()}
    assert relative["image"] == "lower_body/images/100001_0.jpg"
    assert relative["cloth"] == "lower_body/images/100001_1.jpg"
    assert relative["atr"] == "lower_body/label_maps/100001_4.png"
    assert relative["densepose"] == "lower_body/dense/100001_5.png"
    assert relative["mask"] == "lower_body/agnostic_masks/100001_0.png"


def test_a_killed_writer_goes_on(tmp_path):
    command = [
        sys.executable,
        "-m",
        "catvton.data.cli",
        "wardrobe",
        "--count",
        "30",
        "--size",
        "64x48",
        "--quiet",
        "--out",
    ]
    env = {"PYTHONPATH": str(Path(catvton.data.__file__).parents[2]), "PATH": ""}
    killed = subprocess.Popen([*command, str(tmp_path / "a")], env=env)
    images = tmp_path / "a/test/image"
    while killed.poll() is None and not (images.is_dir() and len(list(images.glob("*.jpg"))) >= 3):
        time.sleep(0.005)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "a/test_pairs.txt").exists(), "the writer was done before it could be killed"
    there = len(list(images.glob("*.jpg")))
    job = Job(str(tmp_path / "a"), 30, SIZE)
    assert write(job, progress=False) == 30 - there
    write(Job(str(tmp_path / "b"), 30, SIZE), progress=False)
    finished = {name: data for name, data in files(tmp_path / "a").items() if not name.endswith(".part")}
    assert finished == files(tmp_path / "b")
    assert write(job, progress=False) == 0


def test_several_processes_write_the_same(tmp_path):
    write(Job(str(tmp_path / "a"), 4, SIZE, split="train"), progress=False)
    write(Job(str(tmp_path / "b"), 4, SIZE, split="train"), workers=2, progress=False)
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert (tmp_path / "a/train_pairs.txt").read_text().splitlines()[1] == "00001_00.jpg 00001_00.jpg"


def test_command_line(tmp_path, capsys):
    arguments = ["wardrobe", "--out", str(tmp_path), "--count", "2", "--size", "64x48", "--split", "train", "--quiet"]
    assert cli.main(arguments) == 0
    assert len(read_pairs(tmp_path, "train")) == 2
    assert cli.main([*arguments, "--seed", "4"]) == 2
    assert "seed 0 (now 4)" in capsys.readouterr().err
    assert cli.main([*arguments, "--count", "0"]) == 2
    assert "count 0" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main([*arguments, "--size", "big"])
    assert "expected HEIGHTxWIDTH" in capsys.readouterr().err


def test_missing_files_are_named_and_counted(tmp_path):
    job = Job(str(tmp_path), 3, SIZE)
    write(job, progress=False)
    gone = [job.paths("upper", 0)["mask"], job.paths("upper", 2)["image"]]
    for path in gone:
        path.unlink()
    with pytest.raises(FileNotFoundError, match="2 of the listed files are missing") as error:
        read_pairs(tmp_path)
    assert all(str(path) in str(error.value) for path in gone)
    pairs = read_pairs(tmp_path, on_missing="skip")
    assert [p.person_name for p in pairs] == ["00001_00.jpg"]
    assert set(pairs.missing) == set(gone)
    unmasked = read_pairs(tmp_path, on_missing="skip", need_mask=False)
    assert [p.mask is None for p in unmasked] == [True, False]
    assert unmasked[0].open()[2] is None


def test_the_authors_own_lists(tmp_path):
    """VITON-HD ships test_pairs.txt, an unpaired list; DressCode's lists are separated by tabs."""
    write(Job(str(tmp_path / "v"), 3, SIZE), progress=False)
    for name in ("test_pairs_paired.txt", "test_pairs_unpaired.txt"):
        (tmp_path / "v" / name).unlink()
    assert [p.garment_name for p in read_pairs(tmp_path / "v", paired=False)] == [
        "00001_00.jpg",
        "00002_00.jpg",
        "00000_00.jpg",
    ]
    assert all(p.garment_name == p.person_name for p in read_pairs(tmp_path / "v"))
    write(Job(str(tmp_path / "d"), 1, SIZE, "dresscode"), progress=False)
    listing = tmp_path / "d/dresses/test_pairs_paired.txt"
    listing.write_text(listing.read_text().replace(" ", "\t") + "\n")
    assert len(read_pairs(tmp_path / "d")) == 3


def test_bad_folders_and_lists_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        read_pairs(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="neither in VITON-HD's layout"):
        read_pairs(tmp_path)
    with pytest.raises(ValueError, match="layout 'coco'"):
        read_pairs(tmp_path, layout="coco")
    with pytest.raises(ValueError, match="on_missing 'ignore'"):
        read_pairs(tmp_path, on_missing="ignore")
    (tmp_path / "test/image").mkdir(parents=True)
    with pytest.raises(FileNotFoundError, match="no pairs list"):
        read_pairs(tmp_path)
    (tmp_path / "test_pairs.txt").write_text("a.jpg b.jpg\nlonely.jpg\n")
    with pytest.raises(ValueError, match=r"test_pairs\.txt:2: 'lonely\.jpg'"):
        read_pairs(tmp_path, on_missing="skip")


def test_a_broken_picture_is_named(tmp_path):
    job = Job(str(tmp_path), 1, SIZE)
    write(job, progress=False)
    path = job.paths("upper", 0)["cloth"]
    path.write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"00000_00\.jpg is not a picture"):
        read_pairs(tmp_path)[0].open()
