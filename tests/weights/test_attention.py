"""The attention checkpoint: exactly the published file's layout, its aliases, and the kinds kept apart."""

import json
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from catvton import TryOn, weights
from catvton._native import C
from catvton.weights.attention import attention_kind
from catvton.weights.files import open_weights

# Index of each self-attention's first entry in the reference's list -> module and channels (the reference's own order).
PUBLISHED = {
    **{0: ("down_blocks.0.attentions.0", 320), 8: ("down_blocks.0.attentions.1", 320)},
    **{16: ("down_blocks.1.attentions.0", 640), 24: ("down_blocks.1.attentions.1", 640)},
    **{32: ("down_blocks.2.attentions.0", 1280), 40: ("down_blocks.2.attentions.1", 1280)},
    **{48 + 8 * i: (f"up_blocks.1.attentions.{i}", 1280) for i in range(3)},
    **{72 + 8 * i: (f"up_blocks.2.attentions.{i}", 640) for i in range(3)},
    **{96 + 8 * i: (f"up_blocks.3.attentions.{i}", 320) for i in range(3)},
    120: ("mid_block.attentions.0", 1280),
}
ALIASES = {"to_q.weight": (1, "weight"), "to_k.weight": (2, "weight"), "to_v.weight": (3, "weight")}


def trained(model):
    return {name: tensor for name, tensor in model.parameters.items() if ".attn1." in name}


def assert_same_attention(one, other):
    assert all(torch.equal(tensor, trained(other)[name]) for name, tensor in trained(one).items())


def header(path):
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        return length, json.loads(file.read(length))


def test_full_size_file_is_the_published_one_in_every_name_and_byte_count(tmp_path):
    unet = C.UNet.blank(C.UNetConfig(), torch.empty(0))  # 3 GB of address space, of which only attn1 is touched
    generator = torch.Generator().manual_seed(0)
    for tensor in trained(unet).values():
        tensor.uniform_(generator=generator)
    file = tmp_path / "attention" / "model.safetensors"
    weights.save_attention(unet, file)

    assert file.stat().st_size == 198_303_368
    length, fields = header(file)
    assert length == 7040
    assert fields.pop("__metadata__") == {"format": "pt"}
    expected = {}
    for index, (_, channels) in PUBLISHED.items():
        square = {"dtype": "F32", "shape": [channels, channels]}
        for weight in ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight"):
            expected[f"{index}.{weight}"] = square
        expected[f"{index}.to_out.0.bias"] = {"dtype": "F32", "shape": [channels]}
    assert {name: {k: field[k] for k in ("dtype", "shape")} for name, field in fields.items()} == expected
    assert sorted(fields, key=lambda name: fields[name]["data_offsets"]) == sorted(expected)  # as strings: 0, 104, 112

    with safe_open(file, framework="pt") as saved:
        for name in expected:
            index, weight = name.split(".", 1)
            module = f"{PUBLISHED[int(index)][0]}.transformer_blocks.0.attn1"
            assert torch.equal(saved.get_tensor(name), trained(unet)[f"{module}.{weight}"]), name


def test_the_reference_implementations_file_comes_back_byte_for_byte(golden_models, tmp_path):
    file = golden_models / "tiny" / "attn" / "mix-48k-1024" / "attention" / "model.safetensors"
    weights.save_attention(weights.load_unet(golden_models / "tiny" / "base" / "unet", file), tmp_path / "saved")
    assert (tmp_path / "saved").read_bytes() == file.read_bytes()


def test_saving_from_half_precision_writes_float32(tiny, tmp_path):
    unet = weights.load_unet(tiny / "unet", dtype="float16")
    weights.save_attention(unet, tmp_path / "model.safetensors", kind="masked")
    again = weights.load_unet(tiny / "unet", tmp_path / "model.safetensors")
    assert all(torch.equal(tensor, trained(unet)[name].float()) for name, tensor in trained(again).items())
    assert header(tmp_path / "model.safetensors")[1]["__metadata__"] == {"format": "pt", "catvton.kind": "masked"}


def test_a_failed_save_leaves_the_old_file(tiny, tmp_path, monkeypatch):
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"the old one")
    file.chmod(0o600)
    monkeypatch.setattr("pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError("no space")))
    with pytest.raises(OSError, match="no space"):
        weights.save_attention(weights.load_unet(tiny / "unet"), file)
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]
    assert file.read_bytes() == b"the old one"


@pytest.mark.parametrize("out", [(5, ""), (4, "0.")])
def test_aliases_of_the_same_tensors(tiny, tiny_attention, tmp_path, out):
    aliased = {}
    for key, tensor in tiny_attention.items():
        index, weight = key.split(".", 1)
        if weight in ALIASES:
            offset, name = ALIASES[weight]
        else:
            offset, name = out[0], out[1] + weight.removeprefix("to_out.0.")
        aliased[f"{int(index) + offset}.{name}"] = tensor
    assert not aliased.keys() & tiny_attention.keys()
    save_file(aliased, tmp_path / "aliased.safetensors")
    save_file(aliased | {key: tensor.clone() for key, tensor in tiny_attention.items()}, tmp_path / "both.safetensors")
    expected = weights.load_unet(tiny / "unet", tiny / "mix-48k-1024")
    assert_same_attention(weights.load_unet(tiny / "unet", tmp_path / "aliased.safetensors"), expected)
    assert_same_attention(weights.load_unet(tiny / "unet", tmp_path / "both.safetensors"), expected)


def test_aliases_that_differ_are_refused(tiny, tiny_attention, tmp_path):
    save_file(tiny_attention | {"1.weight": tiny_attention["0.to_q.weight"] + 1}, tmp_path / "model.safetensors")
    with pytest.raises(weights.WeightsError, match=r"0\.to_q\.weight and 1\.weight|1\.weight and 0\.to_q\.weight"):
        weights.load_unet(tiny / "unet", tmp_path / "model.safetensors")


def test_every_problem_is_reported_at_once(tiny, tiny_attention, tmp_path):
    state = dict(tiny_attention)
    del state["8.to_k.weight"]
    state["120.to_out.0.bias"] = torch.zeros(7)
    state["128.to_q.weight"] = torch.zeros(32, 32)
    state["16.to_v.weight"] = torch.zeros(64, 64, dtype=torch.int64)
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(weights.WeightsError) as error:
        weights.load_unet(tiny / "unet", tmp_path / "model.safetensors")
    text = str(error.value)
    assert str(tmp_path / "model.safetensors") in text
    module = "down_blocks.0.attentions.1.transformer_blocks.0.attn1"
    assert f"missing 8.to_k.weight [32, 32], for {module}.to_k.weight" in text
    assert "120.to_out.0.bias: expected [64], got [7], for mid_block.attentions.0" in text
    assert "unexpected 128.to_q.weight [32, 32]" in text
    assert "16.to_v.weight: expected float32, bfloat16 or float16, got I64" in text


@pytest.mark.parametrize(
    "path, kind",
    [
        ("CatVTON/mix-48k-1024/attention/model.safetensors", "masked"),
        ("vitonhd-16k-512/attention/model.safetensors", "masked"),
        ("dresscode-16k-512.safetensors", "masked"),
        ("CatVTON-MaskFree/mix-48k-1024/attention/model.safetensors", "mask-free"),
        ("mask_free/mix-48k-1024/attention/model.safetensors", "mask-free"),
        ("instruct-pix2pix/attention/model.safetensors", "mask-free"),
        ("catvton-p2p/attention/model.safetensors", "mask-free"),
        ("mine/attention/model.safetensors", None),
        ("maskfree/a/b/c/d/model.safetensors", None),  # six parts up: out of sight
    ],
)
def test_kind_from_the_path(tmp_path, path, kind):
    file = tmp_path / "a" / "b" / "c" / "d" / path
    file.parent.mkdir(parents=True)
    save_file({"0.to_q.weight": torch.zeros(1)}, file)
    assert attention_kind(open_weights(file)) == kind


def test_metadata_wins_over_the_path(tmp_path):
    file = tmp_path / "mix-48k-1024.safetensors"
    save_file({"0.to_q.weight": torch.zeros(1)}, file, metadata={"catvton.kind": "mask-free"})
    assert attention_kind(open_weights(file)) == "mask-free"
    save_file({"0.to_q.weight": torch.zeros(1)}, file, metadata={"catvton.kind": "maskfree"})
    with pytest.raises(weights.WeightsError, match="'maskfree'; expected masked or mask-free"):
        attention_kind(open_weights(file))


class TestKindsApart:
    @pytest.fixture
    def bases(self, tiny, tmp_path):
        """A base UNet of each kind, and attention of unknown kind that fits both."""
        for kind, channels in (("masked", 9), ("mask-free", 8)):
            state = load_file(tiny / "unet" / "diffusion_pytorch_model.safetensors")
            state["conv_in.weight"] = state["conv_in.weight"][:, :channels].contiguous()
            config = json.loads((tiny / "unet" / "config.json").read_text()) | {"in_channels": channels}
            (tmp_path / kind).mkdir()
            (tmp_path / kind / "config.json").write_text(json.dumps(config))
            save_file(state, tmp_path / kind / "diffusion_pytorch_model.safetensors")
        (tmp_path / "a" / "b" / "c" / "d").mkdir(parents=True)
        return tmp_path

    @pytest.mark.parametrize("base, channels", [("masked", 9), ("mask-free", 8)])
    def test_the_other_kind_is_refused_in_words(self, bases, tiny_attention, base, channels):
        other = {"masked": "mask-free", "mask-free": "masked"}[base]
        file = bases / "a" / "b" / "c" / "d" / "model.safetensors"
        save_file(tiny_attention, file, metadata={"catvton.kind": other})
        with pytest.raises(weights.WeightsError) as error:
            weights.load_unet(bases / base, file)
        text = str(error.value)
        assert str(file) in text
        assert f"is the {other} ({17 - channels}-channel) attention; the base UNet has {channels} channels" in text
        assert f'kind="{base}"' in text
        assert_same_attention(weights.load_unet(bases / base, file, kind=base), weights.load_unet(bases / other, file))

    def test_unknown_kind_is_accepted_by_both(self, bases, tiny_attention):
        file = bases / "a" / "b" / "c" / "d" / "model.safetensors"
        save_file(tiny_attention, file)
        masked, maskfree = (weights.load_unet(bases / kind, file) for kind in ("masked", "mask-free"))
        assert_same_attention(masked, maskfree)
        with pytest.raises(weights.WeightsError, match="is the mask-free"):
            weights.load_unet(bases / "masked", file, kind="mask-free")

    def test_text_to_image_base(self, bases, tiny):
        folder = shutil.copytree(bases / "masked", bases / "text-to-image")
        state = load_file(folder / "diffusion_pytorch_model.safetensors")
        state["conv_in.weight"] = state["conv_in.weight"][:, :4].contiguous()
        save_file(state, folder / "diffusion_pytorch_model.safetensors")
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"in_channels": 4}))
        with pytest.raises(weights.WeightsError, match=r"4 input channels: the text-to-image base.*inpainting.*9"):
            weights.load_unet(folder)


def test_kind_must_be_one(tiny):
    with pytest.raises(ValueError, match="kind: expected masked or mask-free, got 'maskfree'"):
        weights.load_unet(tiny / "unet", tiny / "mix-48k-1024", kind="maskfree")


def test_a_user_may_say_what_kind_the_attention_is(tiny, tmp_path):
    misnamed = tmp_path / "mask-free-experiments" / "attention"
    shutil.copytree(tiny / "mix-48k-1024" / "attention", misnamed)
    parts = {"unet": tiny / "unet", "vae": tiny / "vae", "attention": misnamed / "model.safetensors", "device": "cpu"}
    with pytest.raises(ValueError, match="mask-free"):
        TryOn.load(**parts)
    assert TryOn.load(**parts, kind="masked").masked
