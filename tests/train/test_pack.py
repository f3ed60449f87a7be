"""A run packed as the built-in model: what it was, in two files, small, or not there at all."""

import json
import os
import re

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from catvton import TryOn, weights
from catvton._native import C
from catvton.evaluate.run import model_key
from catvton.train import pack
from catvton.train.export import save_scheduler, save_unet, save_vae


@pytest.fixture
def run(tiny_unet, tiny_vae, tmp_path):
    """A run's folder as `catvton train --train unet` leaves it."""
    folder = tmp_path / "run"
    save_unet(tiny_unet, folder / "unet")
    save_vae(tiny_vae, folder / "vae", 0.5)
    save_scheduler(C.DDIMConfig(), folder / "scheduler")
    recipe = {"size": [64, 48], "seed": 3, "out": "/somewhere", "steps": 9}
    (folder / "arguments.json").write_text(json.dumps(recipe))
    (folder / "log.csv").write_text("step,loss\n1,0.5\n7,0.25\n")
    return folder


def test_the_packed_model_is_the_runs(run, tiny_unet, tiny_vae, tmp_path):
    packed = pack.pack_demo(run, tmp_path / "demo")
    tryon = TryOn.load(tmp_path / "demo", device="cpu", dtype="float32")
    assert tryon.native_size == packed.size == (64, 48)
    assert tryon.vae.config.scaling_factor == 0.5
    for read, written in ((tryon.unet, tiny_unet), (tryon.vae, tiny_vae)):
        assert {n: t.shape for n, t in read.parameters.items()} == {n: t.shape for n, t in written.parameters.items()}
        for name, weight in written.parameters.items():
            assert torch.equal(read.parameters[name], weight.half().float()), name
    facts = json.loads((tmp_path / "demo" / "training.json").read_text())
    assert facts["steps_trained"] == 7 and facts["recipe"] == {"size": [64, 48], "seed": 3, "steps": 9}
    assert packed.bytes == sum(p.stat().st_size for p in (tmp_path / "demo").rglob("*") if p.is_file())


def test_a_decoder_that_was_trained_on_takes_the_place_of_the_runs(run, tiny_vae, tmp_path):
    state = {name: weight.clone() for name, weight in tiny_vae.parameters.items()}
    state["decoder.conv_out.bias"] += 1
    later = tmp_path / "later"
    save_vae(C.VAE(state, tiny_vae.config), later / "vae", 0.5)
    (later / "arguments.json").write_text(json.dumps({"steps": 3, "out": "/somewhere", "tried_on": "/a/model"}))
    pack.pack_demo(run, tmp_path / "demo", decoder=later)
    read = TryOn.load(tmp_path / "demo", device="cpu", dtype="float32").vae.parameters
    assert all(torch.equal(read[name], weight.half().float()) for name, weight in state.items())
    assert json.loads((tmp_path / "demo" / "training.json").read_text())["decoder"] == {"steps": 3}
    state["quant_conv.bias"] += 1
    save_vae(C.VAE(state, tiny_vae.config), later / "vae", 0.5)
    with pytest.raises(ValueError, match="its encoder is not the run's"):
        pack.pack_demo(run, tmp_path / "demo", decoder=later)


def test_the_attention_is_in_its_own_file_and_the_base_has_none(run, tiny_unet, tmp_path):
    pack.pack_demo(run, tmp_path / "demo")
    base = load_file(tmp_path / "demo" / "unet" / "diffusion_pytorch_model.safetensors")
    assert {t.dtype for t in base.values()} == {torch.float16}
    assert all(not weight.any() for name, weight in base.items() if ".attn1." in name)
    path = tmp_path / "demo" / "attention" / "model.safetensors"
    trained = load_file(path)
    assert torch.equal(trained["0.to_q.weight"], tiny_unet.parameters[
        "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.weight"].half())  # fmt: skip
    assert len(trained) == 5 * len(tiny_unet.config.self_attentions)
    with safe_open(path, framework="pt") as file:
        assert file.metadata() | {} == {"format": "pt", "catvton.kind": "masked", "catvton.size": "64x48"}


def test_packing_again_replaces_and_scores_are_kept(run, tmp_path):
    pack.pack_demo(run, tmp_path / "demo")
    tryon = TryOn.load(tmp_path / "demo", device="cpu", dtype="float32")
    numbers = {"pasted_back": {"cases": 2, "ssim": 0.75}, "own_picture": {"cases": 2}}
    report = {"model": model_key(tryon), "steps": 20, "guidance": 1.5, "unpaired": numbers, "left_out": {}}
    (tmp_path / "scores.json").write_text(json.dumps(report))
    (tmp_path / "demo" / "stale").touch()
    pack.pack_demo(run, tmp_path / "demo", size=(128, 96), scores=tmp_path / "scores.json")
    assert not (tmp_path / "demo" / "stale").exists()
    assert weights.native_size(weights.find(tmp_path / "demo")) == (128, 96)
    assert json.loads((tmp_path / "demo" / "training.json").read_text())["scores"] == report
    assert re.search(
        r"20 steps, guidance 1.5(.|\n)*SSIM, 1 is equal +0.75", (tmp_path / "demo" / "README.md").read_text()
    )
    assert sorted(os.listdir(tmp_path)) == ["demo", "run", "scores.json"]
    (tmp_path / "scores.json").write_text(json.dumps(report | {"model": "another"}))
    with pytest.raises(ValueError, match="scores are another model's"):
        pack.pack_demo(run, tmp_path / "demo", scores=tmp_path / "scores.json")
    assert weights.native_size(weights.find(tmp_path / "demo")) == (128, 96)


@pytest.mark.parametrize("damage", ["overflow", "too large", "no size", "no vae"])
def test_what_cannot_be_shipped_leaves_the_old_one(run, tiny_unet, tmp_path, monkeypatch, damage):
    pack.pack_demo(run, tmp_path / "demo")
    before = (tmp_path / "demo" / "README.md").stat().st_mtime_ns
    error, message = ValueError, {"overflow": "float16 cannot hold conv_in.bias", "too large": "bytes; at most 1,000",
                                  "no size": "no arguments.json", "no vae": "vae"}[damage]  # fmt: skip
    if damage == "overflow":
        tiny_unet.parameters["conv_in.bias"][0] = 1e6
        save_unet(tiny_unet, run / "unet")
    elif damage == "too large":
        monkeypatch.setattr(pack, "MOST_BYTES", 1000)
    elif damage == "no size":
        (run / "arguments.json").unlink()
    else:
        error = FileNotFoundError
        (run / "vae").rename(run / "elsewhere")
    with pytest.raises(error, match=message):
        pack.pack_demo(run, tmp_path / "demo")
    assert (tmp_path / "demo" / "README.md").stat().st_mtime_ns == before
    assert sorted(os.listdir(tmp_path)) == ["demo", "run"]
