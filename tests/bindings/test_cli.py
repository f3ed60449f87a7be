"""The command line, run as a user runs it."""

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from diffusers import AutoencoderKL, UNet2DConditionModel  # noqa: E402
from PIL import Image  # noqa: E402

from catvton import (  # noqa: E402
    TryOn,
    __version__,
    masks,
)
from catvton.cli import main  # noqa: E402
from catvton.data.wardrobe import Outfit, Person, draw  # noqa: E402

from .conftest import environment, write_sparse  # noqa: E402

QUICK = ("--steps", 2, "--size", "64x48", "--device", "cpu")


def test_help_and_version_need_no_torch(catvton):
    hide = "import sys; sys.modules['torch'] = None; from catvton.cli import main; main({!r})"
    for arguments in (["--help"], ["tryon", "--help"], ["outfit", "--help"], ["info", "--help"], ["doctor", "--help"]):
        done = subprocess.run([sys.executable, "-c", hide.format(arguments)], capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout.startswith("usage: catvton"), done.stderr
    assert catvton("--version").stdout.strip() == f"catvton {__version__}"
    assert "COMMAND" in catvton(code=2).stderr
    for command in ("tryon", "outfit", "mask", "info", "doctor", "data", "evaluate"):
        assert command in catvton("--help").stdout
        catvton(command, "--help")


def test_tryon_is_what_the_python_call_gives(catvton, models, pictures, tmp_path):
    files = (pictures / "person.png", pictures / "garment.jpg", "--mask", pictures / "mask.png", "--models", models)
    options = ("--guidance", 1.5, "--eta", 0.5, "--seed", 7, "--fit", "crop", "--dtype", "float32")
    done = catvton("tryon", *files, *QUICK, *options, "--no-paste-back", "-o", "made.png")
    assert done.stdout.startswith("made.png: ") and "peak memory" in done.stdout

    model = TryOn.load(models, device="cpu", dtype="float32")
    settings = {"steps": 2, "guidance": 1.5, "eta": 0.5, "seed": 7, "height": 64, "width": 48, "fit": "crop"}
    expected = model(files[0], files[1], files[3], **settings)
    assert Image.open(tmp_path / "made.png").size == (48, 64)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "made.png")), np.array(expected.plain))

    catvton("tryon", *files, *QUICK, *options)
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "result.png")), np.array(expected.image))
    assert sorted(os.listdir(tmp_path)) == ["made.png", "result.png"]


def test_mask_free_needs_no_mask(mask_free_models, pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = [pictures / "person.png", pictures / "garment.jpg", "--models", mask_free_models]
    assert exit_code(["tryon", *map(str, [*files, *QUICK])]) == 0
    assert Image.open(tmp_path / "result.png").size == (80, 100)


def test_a_transparent_person_can_become_a_jpeg(mask_free_models, pictures, tmp_path):
    Image.open(pictures / "person.png").convert("RGBA").save(tmp_path / "person.png")
    files = [tmp_path / "person.png", pictures / "garment.jpg", "--models", mask_free_models, "-o", tmp_path / "r.jpg"]
    assert exit_code(["tryon", *map(str, [*files, *QUICK])]) == 0
    assert Image.open(tmp_path / "r.jpg").mode == "RGB"


def labelled(folder, stem, seed):
    """A drawn person with its label maps beside it, under the documented names."""
    scene = draw(Person.sample(seed), Outfit.sample(seed), (100, 80))
    scene.image.save(folder / f"{stem}.png")
    maps = {"atr": scene.atr, "lip": scene.lip, "densepose": scene.densepose}
    for name, array in maps.items():
        Image.fromarray(array).save(folder / f"{stem}.{name}.png")
    return maps


def test_a_category_makes_the_mask_from_label_maps_beside_the_person(models, pictures, tmp_path):
    maps = labelled(tmp_path, "me", 3)
    np.testing.assert_array_equal(masks.category_mask(tmp_path / "me.png", "upper"), masks.agnostic("upper", **maps))
    Image.fromarray(masks.agnostic("upper", **maps)).save(tmp_path / "mask.png")
    common = ["tryon", tmp_path / "me.png", pictures / "garment.jpg", "--models", models, *QUICK]
    assert exit_code([*map(str, common), "--category", "upper", "-o", str(tmp_path / "a.png")]) == 0
    assert exit_code([*map(str, common), "--mask", str(tmp_path / "mask.png"), "-o", str(tmp_path / "b.png")]) == 0
    a, b = (np.array(Image.open(tmp_path / name)) for name in ("a.png", "b.png"))
    np.testing.assert_array_equal(a, b)

    (tmp_path / "apart").mkdir()
    named = []
    for name in maps:
        (tmp_path / f"me.{name}.png").rename(tmp_path / "apart" / f"{name}.png")
        named += [f"--{name}", str(tmp_path / "apart" / f"{name}.png")]
    assert exit_code([*map(str, common), "--category", "upper", *named, "-o", str(tmp_path / "c.png")]) == 0
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "c.png")), a)


def test_label_maps_in_a_folder_of_persons_are_no_persons(models, pictures, tmp_path):
    persons = tmp_path / "persons"
    persons.mkdir()
    for seed, stem in enumerate(("anna", "bert.2")):
        labelled(persons, stem, seed)
    where = ["--category", "lower", "--models", models, "--out", tmp_path / "made"]
    assert exit_code(["tryon", *map(str, [persons, pictures / "garment.jpg", *where, *QUICK])]) == 0
    assert sorted(os.listdir(tmp_path / "made")) == ["anna_garment.png", "bert.2_garment.png"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["person.png", "garment.jpg", "--category", "upper"], "person.atr.png, person.lip.png, person.densepose.png"),
        (["person.png", "garment.jpg", "--category", "upper", "--atr", "x.png"], "atr: there is no file"),
        (["person.png", "garment.jpg", "--atr", "mask.png"], "--atr: a label map is for --category"),
        (["persons", "garment.jpg", "--category", "upper", "--lip", "mask.png", "-o", "d"], "lie beside them"),
        (["person.png", "garment.jpg", "--category", "upper", "--mask", "mask.png"], "not allowed with argument"),
    ],
)
def test_mistakes_with_categories(pictures, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(pictures)
    assert exit_code(["tryon", *arguments, "--models", "."]) == 2
    assert message in capsys.readouterr().err


def test_folders_give_every_person_in_every_garment(catvton, models, pictures, tmp_path):
    where = ("--mask", pictures / "masks", "--models", models, "--out", "made")
    catvton("tryon", pictures / "persons", pictures / "garment.jpg", *where, *QUICK)
    assert sorted(os.listdir(tmp_path / "made")) == ["anna_garment.png", "bert_garment.png"]

    one = ("--mask", pictures / "masks" / "bert_mask.png", "--models", models, "--out", "bert.png")
    catvton("tryon", pictures / "persons" / "bert.png", pictures / "garment.jpg", *one, *QUICK)
    batch, single = (np.array(Image.open(tmp_path / name)) for name in ("made/bert_garment.png", "bert.png"))
    np.testing.assert_array_equal(batch, single)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"person": "nobody.png"}, "no file .*nobody.png"),
        ({"person": "text.png"}, "not a picture"),
        ({"person": "nothing"}, "no picture in the folder"),
        ({"garment": "nobody.png"}, "no file .*nobody.png"),
        ({"mask": "nobody.png"}, "no file .*nobody.png"),
        ({"mask": "empty_mask.png"}, "mask is empty"),
        ({"mask": None}, "give --mask"),
        ({"person": "persons", "mask": "nothing", "out": "made"}, "no picture in the folder"),
        ({"person": "persons", "out": "made.png"}, "need a folder"),
        ({"out": "result.txt"}, "no picture format"),
        ({"out": "result"}, "no picture format"),
        ({"models": "nothing"}, "no UNet"),
        ({"models": "nowhere"}, "no such folder"),
        ({"models": None}, "which models"),
        ({"size": "100x96"}, "multiple of 8, got 100"),
        ({"size": "big"}, "HEIGHTxWIDTH"),
        ({"device": "abacus"}, "device 'abacus'"),
        ({"dtype": "int8"}, "int8"),
        ({"steps": "0"}, "steps.*0"),
        ({"guidance": "-1"}, "guidance.*-1"),
        ({"eta": "nan"}, "eta.*nan"),
        ({"fit": "squeeze"}, "squeeze"),
        ({"feather": "wide"}, "wide"),
        ({"feather": "-3"}, "-3"),
        ({"protect": "nobody.png"}, "protect: .*nobody.png"),
        ({"variant": "mix-1"}, "no attention 'mix-1'"),
        ({"unet": "text.png"}, "neither a safetensors nor"),
    ],
)
def test_mistakes_are_named_and_nothing_is_written(models, pictures, tmp_path, monkeypatch, capsys, change, message):
    monkeypatch.chdir(tmp_path)
    given = {"person": "person.png", "garment": "garment.jpg", "mask": "mask.png", "models": models} | change
    options = {"size": "64x48", "steps": "2", "device": "cpu"} | given
    for name in ("person", "garment", "mask", "protect", "models", "unet"):
        if options.get(name):
            options[name] = str(pictures / options[name])
    arguments = ["tryon", options.pop("person"), options.pop("garment")]
    arguments += [f"--{name}={value}" for name, value in options.items() if value is not None]
    assert exit_code(arguments) == 2
    said = capsys.readouterr()
    assert re.search(message, said.err) and not said.out, said
    assert os.listdir(tmp_path) == []


def exit_code(arguments: list[str]) -> int:
    try:
        return main(arguments)
    except SystemExit as stop:  # argparse's own
        return stop.code


def test_a_picture_that_would_be_overwritten_is_refused(models, pictures, tmp_path, capsys):
    person = tmp_path / "person.png"
    person.write_bytes((pictures / "person.png").read_bytes())
    arguments = ["tryon", person, pictures / "garment.jpg", "--models", models, "--out", tmp_path / "." / "person.png"]
    assert exit_code(list(map(str, arguments))) == 2
    assert "one of the pictures to read" in capsys.readouterr().err
    assert person.read_bytes() == (pictures / "person.png").read_bytes()


def test_debug_shows_where_an_error_came_from(capsys):
    assert exit_code(["info", "nowhere"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    assert exit_code(["info", "nowhere", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_a_mask_of_another_size_is_said_as_a_warning(models, pictures, tmp_path, capsys):
    Image.open(pictures / "mask.png").resize((40, 50)).save(tmp_path / "small.png")
    files = [pictures / "person.png", pictures / "garment.jpg", "--mask", tmp_path / "small.png", "--models", models]
    assert exit_code(["tryon", *map(str, [*files, *QUICK, "-o", tmp_path / "made.png"])]) == 0
    said = capsys.readouterr().err
    assert "warning: mask is 40x50" in said and "UserWarning" not in said


@pytest.mark.skipif(os.name != "posix", reason="the progress bar is watched through a pseudo-terminal")
def test_ctrl_c_stops_within_a_step_and_leaves_nothing(models, pictures, tmp_path):
    import fcntl
    import pty
    import termios

    files = [pictures / "person.png", pictures / "garment.jpg", "--mask", pictures / "mask.png", "--models", models]
    command = [sys.executable, "-m", "catvton", "tryon", *files, "--steps", "1000", "--size", "64x48"]
    terminal, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("4H", 24, 100, 0, 0))  # a bar needs columns
    process = subprocess.Popen(
        list(map(str, command)),
        stderr=theirs,
        cwd=tmp_path,
        env=environment(),
        # As at a terminal: what runs in a shell's background inherits an ignored Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    os.close(theirs)
    shown = b""
    while b"/1000" not in shown:  # the progress bar
        shown += os.read(terminal, 1024)
    process.send_signal(signal.SIGINT)
    while piece := _read(terminal):
        shown += piece
    assert process.wait() == 130
    assert b"stopped" in shown and b"Traceback" not in shown
    assert os.listdir(tmp_path) == []
    os.close(terminal)


def _read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1024)
    except OSError:  # how Linux tells that the other side is closed
        return b""


def test_info_counts_published_sizes_from_headers_alone(catvton, tmp_path, capsys):
    """Files of the published sizes, names and shapes from diffusers, and no bytes in them."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(in_channels=9, cross_attention_dim=768, attention_head_dim=8)
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            block_out_channels=(128, 256, 512, 512),
            layers_per_block=2,
        )
    shapes = {name: tuple(tensor.shape) for name, tensor in unet.state_dict().items()}
    write_sparse(tmp_path / "m" / "unet" / "diffusion_pytorch_model.fp16.safetensors", shapes)
    vae_shapes = {name: tuple(tensor.shape) for name, tensor in vae.state_dict().items()}
    write_sparse(tmp_path / "m" / "vae" / "diffusion_pytorch_model.safetensors", vae_shapes, "F32")
    modules = [name for name, _ in unet.named_modules() if name.endswith(".attn1")]
    trained = {
        f"{8 * i}.{name.removeprefix(module + '.')}": shape
        for i, module in enumerate(modules)
        for name, shape in shapes.items()
        if name.startswith(module + ".")
    }
    write_sparse(tmp_path / "m" / "mix-48k-1024" / "attention" / "model.safetensors", trained, "F32")

    report = json.loads(catvton("info", "m", "--json").stdout)
    files = {file["path"].split("/")[0]: file for file in report["files"]}
    assert files["unet"]["what"] == "a UNet" and files["unet"]["kind"] == "masked"
    assert files["unet"]["unet_parameters"] == 815_572_804
    assert files["unet"]["dtypes"] == {"F16": len(shapes)}
    assert files["vae"]["vae_parameters"] == 83_653_863
    assert files["mix-48k-1024"]["attention_parameters"] == 49_574_080
    assert files["mix-48k-1024"]["tensors"] == 80
    assert report["problem"] is None and "CC BY-NC-SA 4.0" in report["licence"]
    model = report["model"]
    assert (model["kind"], model["unet_parameters"], model["attention_parameters"]) == ("masked", 815572804, 49574080)
    assert len(model["memory"]) == 4
    half = next(plan for plan in model["memory"] if plan["dtype"] == "float16" and plan["height"] == 1024)
    assert half["unet_weights"] == 2 * 815_572_804 and half["peak"] < 2.6e9

    assert exit_code(["info", str(tmp_path / "m")]) == 0
    shown = capsys.readouterr().out
    for text in ("815,572,804", "83,653,863", "49,574,080", "Together they make a masked CatVTON", "1024x768"):
        assert text in shown


def test_info_of_memory_alone(models, capsys):
    assert exit_code(["info", "--memory", "--size", "64x48", "--dtype", "bfloat16", "--json"]) == 0
    published = json.loads(capsys.readouterr().out)
    assert [(p["mode"], p["float8"]) for p in published] == [
        (mode, float8) for float8 in (False, True) for mode in ("normal", "low", "minimal")
    ]
    assert published[0]["resident"] == 2 * (815_572_804 + 83_653_863)
    assert published[0]["peak"] > published[1]["peak"] > published[2]["peak"]
    assert exit_code(["info", "--memory", str(models), "--size", "64x48"]) == 0
    shown = capsys.readouterr().out
    assert "minimal" in shown and "64x48" in shown and "MiB" in shown
    assert exit_code(["info"]) == 2
    assert "which MODEL" in capsys.readouterr().err


def test_info_of_what_is_not_a_model(models, pictures, tmp_path, capsys):
    assert exit_code(["info", str(pictures)]) == 2
    assert "no weights in this folder" in capsys.readouterr().err
    assert exit_code(["info", str(pictures / "text.png")]) == 2
    assert "neither a safetensors" in capsys.readouterr().err
    (tmp_path / "broken.safetensors").write_bytes(b"")
    attention = next(models.rglob("attention/model.safetensors"))
    (tmp_path / "alone.safetensors").write_bytes(attention.read_bytes())
    assert exit_code(["info", str(tmp_path)]) == 0
    shown = capsys.readouterr().out
    assert "is empty (0 bytes)" in shown and "a CatVTON attention checkpoint" in shown
    assert "not a complete CatVTON" in shown and "no UNet" in shown


def test_info_sees_what_a_tryon_would_refuse(models, mask_free_models, tmp_path, capsys):
    """The mask-free attention in the masked base."""
    shutil.copytree(models / "base", tmp_path / "base")
    shutil.copytree(models / "vae", tmp_path / "vae")
    shutil.copytree(mask_free_models / "mask-free", tmp_path / "mask-free")
    assert exit_code(["info", str(tmp_path), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["model"] is None and "mask-free" in report["problem"]


def test_doctor_speaks_json(catvton):
    report = json.loads(catvton("doctor", "--json").stdout)
    assert report["healthy"] and report["torch"]["version"] == torch.__version__
    assert report["catvton"]["binary_version"] == __version__
