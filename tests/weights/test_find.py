"""The layouts that users have are found; what is missing or ambiguous is listed."""

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from catvton import weights

NAME = "diffusion_pytorch_model.safetensors"
ATTENTION = "attention/model.safetensors"


@pytest.fixture
def build(tiny, tmp_path):
    """build("base/unet", "vae", ...) is a folder that holds these parts of the tiny model, at these places."""

    def place(*parts):
        folder = tmp_path / "catvton"
        for part in parts:
            kind = next(kind for kind in ("unet", "vae", "scheduler", "attention") if kind in part)
            if kind == "attention":
                (folder / part).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(tiny / "mix-48k-1024" / ATTENTION, folder / part)
            else:
                shutil.copytree(tiny / kind, folder / part)
        return folder

    return place


def relative(files, folder):
    paths = (files.unet, files.vae, files.attention, files.scheduler)
    return tuple(path and path.relative_to(folder).as_posix() for path in paths)


SCHEDULER = "scheduler/scheduler_config.json"
MIX = f"mix-48k-1024/{ATTENTION}"


@pytest.mark.parametrize(
    "parts, found",
    [
        (("unet", "vae", "scheduler", MIX), ("unet", "vae", MIX, SCHEDULER)),
        (("unet", "vae", MIX), ("unet", "vae", MIX, None)),
        (
            ("base/unet", "base/scheduler", "sd-vae-ft-mse", f"attn/{MIX}"),
            ("base/unet", "sd-vae-ft-mse", f"attn/{MIX}", f"base/{SCHEDULER}"),
        ),
        (  # the base's own VAE is not the one that CatVTON was trained with
            ("sd/unet", "sd/vae", "sd/scheduler", "sd-vae-ft-mse", MIX),
            ("sd/unet", "sd-vae-ft-mse", MIX, f"sd/{SCHEDULER}"),
        ),
        (("unet", "vae", "vae_oldnames", MIX), ("unet", "vae", MIX, None)),
        (("unet", "vae", "attention/model.safetensors"), ("unet", "vae", ATTENTION, None)),
        (
            ("unet", "vae", f"vitonhd-16k-512/{ATTENTION}", MIX, f"dresscode-16k-512/{ATTENTION}"),
            ("unet", "vae", MIX, None),
        ),
        (("unet", "vae", f"vitonhd-16k-512/{ATTENTION}"), ("unet", "vae", f"vitonhd-16k-512/{ATTENTION}", None)),
        (
            ("a/unet", "a/vae", "a/scheduler", f"hub/models--x--CatVTON/snapshots/0123/{MIX}"),
            ("a/unet", "a/vae", f"hub/models--x--CatVTON/snapshots/0123/{MIX}", f"a/{SCHEDULER}"),
        ),
        (
            ("unet", "vae", "scheduler", "other/scheduler", MIX, ".cache/unet", ".cache/vae"),
            ("unet", "vae", MIX, SCHEDULER),
        ),
    ],
)
def test_layouts(build, parts, found):
    folder = build(*parts)
    files = weights.find(folder)
    assert relative(files, folder) == found
    weights.load_unet(files.unet, files.attention, dtype="float16", device="meta")
    weights.load_vae(files.vae, dtype="float16", device="meta")
    weights.load_scheduler(files.scheduler)


def test_single_files(checkpoint, tiny, tmp_path):
    save_file(checkpoint, tmp_path / "sd-v1-5-inpainting.safetensors")
    torch.save({"state_dict": checkpoint}, tmp_path / "sd-v1-5-inpainting.ckpt")  # the same, as it is often published
    shutil.copy(tiny / "mix-48k-1024" / ATTENTION, tmp_path / "mix-48k-1024.safetensors")
    save_file({"lora_down.weight": torch.zeros(1)}, tmp_path / "style.safetensors")
    (tmp_path / "broken.safetensors").write_bytes(b"<html>")
    sd = tmp_path / "sd-v1-5-inpainting.safetensors"
    assert weights.find(tmp_path) == weights.ModelFiles(sd, sd, tmp_path / "mix-48k-1024.safetensors", None)

    vae = {k.removeprefix("first_stage_model."): t for k, t in checkpoint.items() if k.startswith("first_stage_model.")}
    save_file(vae, tmp_path / "vae-ft-mse-840000-ema-pruned.safetensors")
    assert weights.find(tmp_path).vae.name == "vae-ft-mse-840000-ema-pruned.safetensors"


def test_diffusers_folder_comes_before_a_checkpoint_beside_it(build, checkpoint):
    folder = build("unet", "vae", MIX)
    save_file(checkpoint, folder / "sd-v1-5-inpainting.safetensors")
    assert relative(weights.find(folder), folder) == ("unet", "vae", MIX, None)


class TestVariant:
    def test_by_name(self, build):
        folder = build("unet", "vae", MIX, f"vitonhd-16k-512/{ATTENTION}")
        files = weights.find(folder, variant="vitonhd-16k-512")
        assert files.attention == folder / "vitonhd-16k-512" / ATTENTION

    def test_that_is_not_there(self, build):
        with pytest.raises(FileNotFoundError, match=r"no attention 'dresscode-16k-512' here(.|\n)*mix-48k-1024"):
            weights.find(build("unet", "vae", MIX), variant="dresscode-16k-512")

    def test_several_without_the_usual_one(self, build):
        folder = build("unet", "vae", f"vitonhd-16k-512/{ATTENTION}", f"dresscode-16k-512/{ATTENTION}")
        with pytest.raises(weights.WeightsError, match=r"variant=(.|\n)*dresscode-16k-512(.|\n)*vitonhd-16k-512"):
            weights.find(folder)

    @pytest.mark.parametrize("channels, expected", [(9, "masked"), (8, "maskfree")])
    def test_of_both_kinds_the_one_for_the_base(self, build, channels, expected):
        folder = build("unet", "vae", f"masked/{MIX}", f"maskfree/{MIX}")
        state = load_file(folder / "unet" / NAME)
        state["conv_in.weight"] = state["conv_in.weight"][:, :channels].contiguous()
        save_file(state, folder / "unet" / NAME)
        assert weights.find(folder).attention == folder / expected / MIX


def test_parts_named_one_by_one_win(build, tmp_path):
    folder = build("unet", "vae", MIX, "other/vae", "scheduler")
    files = weights.find(folder, vae=folder / "other" / "vae", attention=str(tmp_path / "mine.safetensors"))
    assert files.vae == folder / "other" / "vae"
    assert files.attention == tmp_path / "mine.safetensors"
    assert relative(weights.find(unet=folder / "unet", vae=folder / "vae"), folder) == ("unet", "vae", None, None)


def test_a_unet_that_says_it_is_trained_needs_no_attention(build):
    folder = build("unet", "vae")
    with pytest.raises(FileNotFoundError, match="no attention here"):
        weights.find(folder)
    save_file(load_file(folder / "unet" / NAME), folder / "unet" / NAME, metadata={"catvton.kind": "masked"})
    assert relative(weights.find(folder), folder) == ("unet", "vae", None, None)


def test_absence_lists_what_was_found_and_where_each_part_belongs(build):
    folder = build("base/unet", MIX)
    (folder / "broken.safetensors").write_bytes(b"")
    with pytest.raises(FileNotFoundError) as error:
        weights.find(folder)
    text = str(error.value)
    assert f"{folder}: no VAE here. Found:" in text
    for line in ("UNet base/unet", f"attention {MIX}", "broken.safetensors is empty"):
        assert line in text
    assert "vae/diffusion_pytorch_model.safetensors     sd-vae-ft-mse" in text


def test_nothing_at_all(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no UNet and no VAE and no attention here\. Nothing was found"):
        weights.find(tmp_path)
    with pytest.raises(FileNotFoundError, match="no such folder"):
        weights.find(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="no UNet given"):
        weights.find()


def test_ambiguity_lists_the_candidates(build):
    with pytest.raises(weights.WeightsError, match=r"several UNets(.|\n)*a/unet(.|\n)*b/unet"):
        weights.find(build("a/unet", "b/unet", "vae", MIX))


def test_depth_is_limited(build):
    with pytest.raises(FileNotFoundError):
        weights.find(build("1/2/3/4/5/6/unet", "vae", MIX))


def test_golden_models(golden_models):
    for model in ("tiny", "tinyp2p"):
        files = weights.find(golden_models / model)
        assert files.vae.name == "vae"
        unet = weights.load_unet(files.unet, files.attention)
        assert unet.config.in_channels == {"tiny": 9, "tinyp2p": 8}[model]
    with pytest.raises(weights.WeightsError, match=r"is the masked \(9-channel\) attention"):
        weights.load_unet(files.unet, golden_models / "tiny" / "attn" / MIX)


def test_a_config_tells_networks_apart_whatever_their_folders_are_called(build):
    folder = build("unet", "vae", MIX)
    (folder / "unet").rename(folder / "one")
    (folder / "vae").rename(folder / "two")
    assert relative(weights.find(folder), folder) == ("one", "two", MIX, None)
    assert json.loads((folder / "one" / "config.json").read_text())["_class_name"] == "UNet2DConditionModel"
