"""`catvton mask`, as a person would call it."""

import argparse

import numpy as np
import pytest
from PIL import Image

from catvton import images, masks
from catvton.masks import cli


def run(*arguments):
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return cli.run(parser.parse_args([str(argument) for argument in arguments]))


@pytest.fixture
def atr(tmp_path):
    labels = np.zeros((200, 150), np.uint8)
    labels[20:90, 50:100], labels[90:170, 55:95], labels[5:18, 65:85] = 4, 6, 11
    Image.fromarray(labels).save(tmp_path / "atr.png")
    return tmp_path / "atr.png"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_category_with_controls_equals_the_functions(tmp_path, atr, capsys):
    out = tmp_path / "new folder" / "mask.png"
    assert run("--category", "upper", "--atr", atr, "--grow", "2%", "--feather", "1", "-o", out) == 0
    want = masks.adjust(masks.agnostic("upper", atr), grow="2%", feather=1, protect=masks.identity(atr))
    np.testing.assert_array_equal(np.array(Image.open(out)), want)
    assert "150x200" in capsys.readouterr().out
    assert [path.name for path in out.parent.iterdir()] == ["mask.png"]  # no temporary file is left


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_preset_can_be_overruled(tmp_path, atr):
    run("--preset", "dress", "--atr", atr, "-o", tmp_path / "a.png")
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "a.png")), masks.preset_mask("dress", atr))
    run("--preset", "dress", "--atr", atr, "--loose", "0", "-o", tmp_path / "b.png")
    assert np.array(Image.open(tmp_path / "b.png")).sum() < np.array(Image.open(tmp_path / "a.png")).sum()


def test_a_drawn_mask_is_taken_as_it_is_and_can_be_inverted(tmp_path):
    drawn = np.zeros((40, 30), np.uint8)
    drawn[10:20, 5:15] = 200  # soft
    Image.fromarray(drawn).save(tmp_path / "drawn.png")
    Image.new("RGB", (30, 40), "gray").save(tmp_path / "me.png")
    shown = tmp_path / "shown.png"
    run(
        "--drawn", tmp_path / "drawn.png", "--person", tmp_path / "me.png", "--preview", shown, "-o", tmp_path / "o.png"
    )
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "o.png")), drawn)
    assert Image.open(shown).size == (30, 40)
    run("--drawn", tmp_path / "drawn.png", "--invert", "-o", tmp_path / "o.png")
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "o.png")), 255 - drawn)


def test_arguments_that_do_not_fit_are_named(tmp_path, atr):
    with pytest.raises(ValueError, match="--preview needs --person"):
        run("--category", "upper", "--atr", atr, "--preview", tmp_path / "p.png")
    with pytest.raises(ValueError, match="--drawn takes no --atr"):
        run("--drawn", atr, "--atr", atr)
    with pytest.raises(ValueError, match="--invert is for --drawn"):
        run("--category", "upper", "--atr", atr, "--invert")
    with pytest.raises(ValueError, match="at least one label map"):
        run("--category", "upper")
    with pytest.raises(SystemExit):
        run("--category", "upper", "--preset", "dress")
    with pytest.raises(ValueError, match="cannot tell the format"):
        images.save_picture(Image.new("L", (2, 2)), tmp_path / "mask.xyz")
