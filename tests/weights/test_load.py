"""Every kind of file that users have gives the same model, and none is copied without need."""

import json
import shutil
import sys
import types

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint
from safetensors.torch import load_file, save_file

from catvton import weights
from catvton.weights.files import open_weights

NAME = "diffusion_pytorch_model"
ATTENTION = "mix-48k-1024/attention/model.safetensors"


def assert_equal(model, expected):
    parameters = model.parameters
    assert parameters.keys() == expected.keys()
    for name, tensor in parameters.items():
        assert tensor.dtype == expected[name].dtype, name
        assert torch.equal(tensor, expected[name]), name


def mapped_from(path):
    """Address ranges at which this process has the file mapped."""
    with open("/proc/self/maps") as maps:
        ranges = [line.split()[0].split("-") for line in maps if line.rstrip().endswith(str(path))]
    return [range(int(first, 16), int(last, 16)) for first, last in ranges]


class TestDiffusersFolder:
    def test_unet_with_trained_attention(self, tiny, tiny_unet, tiny_attention):
        unet = weights.load_unet(tiny / "unet", tiny / "mix-48k-1024")
        modules = unet.config.self_attentions
        trained = {f"{modules[int(p) // 8]}.{w}": t for p, w, t in split_prefixes(tiny_attention)}
        assert len(trained) == 80
        assert all(not torch.equal(tiny_unet[name], tensor) for name, tensor in trained.items())
        assert_equal(unet, tiny_unet | trained)

    def test_without_attention_the_base_keeps_its_own(self, tiny, tiny_unet):
        assert_equal(weights.load_unet(tiny / "unet"), tiny_unet)

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_cast(self, tiny, tiny_unet, tiny_vae, dtype):
        unet, vae = weights.load_unet(tiny / "unet", dtype=dtype), weights.load_vae(tiny / "vae", dtype=dtype)
        assert_equal(unet, {name: tensor.to(dtype) for name, tensor in tiny_unet.items()})
        assert_equal(vae, {name: tensor.to(dtype) for name, tensor in tiny_vae.items()})

    @pytest.mark.parametrize("name", [f"{NAME}.bin", f"{NAME}.fp16.safetensors", f"{NAME}.fp16.bin"])
    def test_variants(self, tiny, tiny_vae, tmp_path, name):
        shutil.copy(tiny / "vae" / "config.json", tmp_path)
        halves = {key: tensor.half() if "fp16" in name else tensor for key, tensor in tiny_vae.items()}
        (save_file if name.endswith("safetensors") else torch.save)(halves, tmp_path / name)
        assert_equal(weights.load_vae(tmp_path), {key: tensor.float() for key, tensor in halves.items()})

    def test_of_several_files_the_one_that_suffices(self, tiny, tiny_vae, tmp_path):
        shutil.copy(tiny / "vae" / "config.json", tmp_path)
        save_file(tiny_vae, tmp_path / f"{NAME}.safetensors")
        save_file({key: tensor.half() + 1 for key, tensor in tiny_vae.items()}, tmp_path / f"{NAME}.fp16.safetensors")
        torch.save({}, tmp_path / f"{NAME}.bin")
        assert_equal(weights.load_vae(tmp_path), tiny_vae)
        half = weights.load_vae(tmp_path, dtype="float16")
        assert_equal(half, {key: tensor.half() + 1 for key, tensor in tiny_vae.items()})

    def test_old_attention_names(self, tiny, tiny_vae, tmp_path):
        new_to_old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
        old = {}
        for key, tensor in tiny_vae.items():
            for new, name in new_to_old.items():
                key = key.replace(f"attentions.0.{new}.", f"attentions.0.{name}.")
            old[key] = tensor
        assert old.keys() != tiny_vae.keys()
        shutil.copy(tiny / "vae" / "config.json", tmp_path)
        save_file(old, tmp_path / f"{NAME}.safetensors")
        theirs = AutoencoderKL.from_pretrained(tmp_path).state_dict()
        assert_equal(weights.load_vae(tmp_path), theirs)

    def test_cross_attention_is_left_in_the_file(self, tiny, tiny_unet, tmp_path):
        shutil.copy(tiny / "unet" / "config.json", tmp_path)
        cross = {name.replace("attn1", "attn2"): torch.full_like(t, torch.nan) for name, t in tiny_unet.items()}
        save_file(cross | tiny_unet, tmp_path / f"{NAME}.safetensors")
        assert_equal(weights.load_unet(tmp_path), tiny_unet)


def split_prefixes(attention):
    for key, tensor in attention.items():
        prefix, weight = key.split(".", 1)
        yield prefix, weight, tensor


@pytest.fixture(scope="module")
def unet(checkpoint):
    theirs = convert_ldm_unet_checkpoint(checkpoint, {"layers_per_block": 2})
    return {name: tensor for name, tensor in theirs.items() if ".attn2." not in name}


@pytest.fixture(scope="module")
def vae(checkpoint):
    return convert_ldm_vae_checkpoint(checkpoint, {"down_block_types": [None] * 4, "up_block_types": [None] * 4})


class TestSingleFile:
    def test_safetensors(self, checkpoint, unet, vae, tmp_path):
        save_file(checkpoint, tmp_path / "sd-inpainting.safetensors")
        assert_equal(weights.load_unet(tmp_path / "sd-inpainting.safetensors"), unet)
        assert_equal(weights.load_vae(tmp_path / "sd-inpainting.safetensors"), vae)
        half = weights.load_vae(tmp_path / "sd-inpainting.safetensors", dtype="float16")
        assert_equal(half, {name: tensor.half() for name, tensor in vae.items()})

    @pytest.mark.parametrize("zipped", [True, False])
    def test_ckpt_of_the_training_framework(self, checkpoint, unet, vae, tmp_path, monkeypatch, zipped):
        # As the published .ckpt: weights nested in "state_dict", beside objects of a package that users do not have.
        callback = type("ModelCheckpoint", (), {"__module__": "pytorch_lightning.callbacks.model_checkpoint"})
        for name in ("pytorch_lightning", "pytorch_lightning.callbacks", callback.__module__):
            monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
        sys.modules[callback.__module__].ModelCheckpoint = callback
        file = tmp_path / "sd-v1-5-inpainting.ckpt"
        content = {
            "epoch": 1,
            "state_dict": checkpoint,
            "callbacks": {callback: {"best": np.float32(0.5), "it": callback()}},
        }
        torch.save(content, file, _use_new_zipfile_serialization=zipped)
        monkeypatch.undo()
        assert_equal(weights.load_unet(file), unet)
        assert_equal(weights.load_vae(file, dtype="float32"), vae)

    def test_network_alone_in_original_names(self, checkpoint, unet, vae, tmp_path):
        for prefix, name in (("model.diffusion_model.", "unet"), ("first_stage_model.", "vae")):
            alone = {key.removeprefix(prefix): t for key, t in checkpoint.items() if key.startswith(prefix)}
            save_file(alone, tmp_path / f"{name}.safetensors")
        assert_equal(weights.load_unet(tmp_path / "unet.safetensors"), unet)
        assert_equal(weights.load_vae(tmp_path / "vae.safetensors"), vae)

    def test_suffix_does_not_matter(self, tiny, tiny_vae, tmp_path):
        shutil.copy(tiny / "vae" / f"{NAME}.safetensors", tmp_path / "vae.ckpt")
        shutil.copy(tiny / "vae" / "config.json", tmp_path)
        assert_equal(weights.load_vae(tmp_path / "vae.ckpt"), tiny_vae)

    def test_config_of_another_network_beside_it_is_not_read(self, checkpoint, unet, tmp_path):
        (tmp_path / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"}))
        alone = {key.removeprefix("model.diffusion_model."): t for key, t in checkpoint.items() if ".diffusion" in key}
        save_file(alone, tmp_path / "unet.safetensors")
        assert_equal(weights.load_unet(tmp_path / "unet.safetensors"), unet)


class TestMemory:
    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
    @pytest.mark.parametrize("suffix", ["safetensors", "bin"])
    def test_weights_in_the_right_dtype_stay_mapped(self, tiny, tiny_unet, tmp_path, suffix):
        shutil.copy(tiny / "unet" / "config.json", tmp_path)
        file = tmp_path / f"{NAME}.{suffix}"
        (save_file if suffix == "safetensors" else torch.save)(tiny_unet, file)
        unet = weights.load_unet(tmp_path)
        mapped = mapped_from(file)
        assert all(any(t.data_ptr() in part for part in mapped) for t in unet.parameters.values())

    @pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps")
    def test_weights_that_are_cast_leave_no_mapping(self, tiny, tmp_path):
        folder = shutil.copytree(tiny / "vae", tmp_path / "vae")
        vae = weights.load_vae(folder, dtype="float16")
        assert not mapped_from(folder / f"{NAME}.safetensors")
        del vae

    def test_writing_to_a_loaded_model_leaves_the_file_alone(self, tiny, tiny_vae, tmp_path):
        folder = shutil.copytree(tiny / "vae", tmp_path / "vae")
        vae = weights.load_vae(folder)
        vae.parameters["quant_conv.bias"].fill_(7.0)
        assert_equal(weights.load_vae(folder), tiny_vae)


def test_to_gives_a_new_model_and_leaves_the_old(tiny, tiny_vae):
    vae = weights.load_vae(tiny / "vae")
    assert_equal(weights.to(vae, "bfloat16"), {name: tensor.bfloat16() for name, tensor in tiny_vae.items()})
    assert_equal(vae, tiny_vae)
    moved = weights.to(vae, device="meta")
    assert all(tensor.is_meta for tensor in moved.parameters.values())
    assert weights.to(vae).parameters["quant_conv.bias"].data_ptr() == vae.parameters["quant_conv.bias"].data_ptr()


def test_inspect_tells_what_a_file_is(tiny, tiny_unet, tiny_vae, tiny_attention, checkpoint, tmp_path):
    def count(tensors):
        return sum(tensor.numel() for tensor in tensors.values())

    unet = weights.inspect(tiny / "unet" / f"{NAME}.safetensors")
    assert (unet.what, unet.kind, unet.in_channels, unet.spelling) == ("a UNet", "masked", 9, "diffusers")
    assert (unet.unet_parameters, unet.attention_parameters) == (count(tiny_unet), count(tiny_attention))
    assert unet.config["block_out_channels"] == [32, 64, 64, 64]
    vae = weights.inspect(tiny / "vae" / f"{NAME}.safetensors")
    assert (vae.what, vae.vae_parameters, vae.dtypes) == ("a VAE", count(tiny_vae), {"F32": len(tiny_vae)})
    attention = weights.inspect(tiny / "mix-48k-1024" / "attention" / "model.safetensors")
    assert (attention.what, attention.kind) == ("a CatVTON attention checkpoint", "masked")
    assert (attention.tensors, attention.attention_parameters) == (80, count(tiny_attention))

    save_file(checkpoint, tmp_path / "sd.safetensors")
    both = weights.inspect(tmp_path / "sd.safetensors")
    assert (both.what, both.in_channels) == ("a Stable Diffusion checkpoint", 9)
    cross = count({key: t for key, t in checkpoint.items() if "attn2" in key})
    diffusion = count({key: t for key, t in checkpoint.items() if key.startswith("model.diffusion_model.")})
    assert both.unet_parameters == diffusion - cross
    assert both.vae_parameters == count({k: t for k, t in checkpoint.items() if k.startswith("first_stage_model.")})
    assert "a Stable Diffusion checkpoint, masked" in str(both)


def test_inspect_reads_no_tensor(tiny, monkeypatch):
    file = tiny / "unet" / f"{NAME}.safetensors"
    monkeypatch.setattr(type(open_weights(file)), "read", lambda *_: pytest.fail("a tensor was read"))
    assert weights.inspect(file).tensors == len(load_file(file))


class TestWrongFile:
    """The error says what the file is, and what is needed."""

    @pytest.mark.parametrize(
        "load, part, says",
        [
            (weights.load_unet, "vae", "is a VAE, and a UNet is needed here"),
            (weights.load_vae, "unet", "is a UNet, and a VAE is needed here"),
            (weights.load_unet, ATTENTION, "is a CatVTON attention checkpoint, and a UNet is needed here"),
            (weights.load_vae, ATTENTION, "is a CatVTON attention checkpoint, and a VAE is needed here"),
        ],
    )
    def test_another_part(self, tiny, load, part, says):
        with pytest.raises(weights.WeightsError, match=says):
            load(tiny / part)

    def test_another_part_as_attention(self, tiny):
        with pytest.raises(weights.WeightsError, match="is a VAE, and a CatVTON attention checkpoint is needed here"):
            weights.load_unet(tiny / "unet", tiny / "vae" / f"{NAME}.safetensors")

    @pytest.mark.parametrize(
        "key, what",
        [
            ("lora_unet_down_blocks_0.lora_down.weight", "a LoRA"),
            ("control_model.input_blocks.0.0.weight", "a ControlNet"),
            ("text_model.embeddings.token_embedding.weight", "a text encoder"),
            ("double_blocks.0.img_attn.qkv.weight", "a FLUX model"),
            ("something", "nothing that CatVTON has"),
        ],
    )
    def test_another_network(self, tmp_path, key, what):
        save_file({key: torch.zeros(1)}, tmp_path / "file.safetensors")
        with pytest.raises(weights.WeightsError, match=rf"file\.safetensors is {what}, and a UNet is needed.*{key}"):
            weights.load_unet(tmp_path / "file.safetensors")

    def test_checkpoint_without_the_network(self, checkpoint, tmp_path):
        some = {key: tensor for key, tensor in checkpoint.items() if key.startswith("first_stage_model.")}
        save_file(some, tmp_path / "sd.safetensors")
        with pytest.raises(weights.WeightsError, match=r"sd\.safetensors .* does not hold"):
            weights.load_unet(tmp_path / "sd.safetensors")

    def test_stable_diffusion_2_without_its_config(self, checkpoint, tmp_path):
        prefix = "model.diffusion_model."
        state = {key.removeprefix(prefix): tensor for key, tensor in checkpoint.items() if key.startswith(prefix)}
        state = {key: t[:, :, 0, 0].contiguous() if "proj_in.w" in key else t for key, t in state.items()}
        save_file(state, tmp_path / "sd2.safetensors")
        with pytest.raises(weights.WeightsError, match=r"proj_in is linear, as in Stable Diffusion 2.*config\.json"):
            weights.load_unet(tmp_path / "sd2.safetensors")

    def test_folder_without_weights_lists_what_it_holds(self, tiny):
        with pytest.raises(FileNotFoundError, match=r"no diffusion_pytorch_model.*It holds mix-48k-1024/, scheduler/"):
            weights.load_unet(tiny)

    @pytest.mark.parametrize("load", [weights.load_unet, weights.load_vae, weights.inspect, weights.load_scheduler])
    def test_no_such_file(self, tmp_path, load):
        with pytest.raises(FileNotFoundError, match=r"absent\.safetensors: no such file"):
            load(tmp_path / "absent.safetensors")


def test_every_problem_of_a_unet_is_reported_at_once(tiny, tiny_unet, tmp_path):
    shutil.copy(tiny / "unet" / "config.json", tmp_path)
    state = dict(tiny_unet)
    del state["mid_block.resnets.0.conv1.bias"]
    state["conv_out.bias"] = torch.zeros(5)
    state["conv_norm_out.bias"] = torch.zeros(32, dtype=torch.int32)
    state["add_embedding.linear_1.weight"] = torch.zeros(2, 3)
    save_file(state, tmp_path / f"{NAME}.safetensors")
    with pytest.raises(weights.WeightsError) as error:
        weights.load_unet(tmp_path)
    file, *lines = str(error.value).splitlines()
    assert file == f"{tmp_path / NAME}.safetensors: weights do not fit the model:"
    assert [line.strip() for line in lines] == [
        "missing mid_block.resnets.0.conv1.bias [64]",
        "conv_out.bias: expected [4], got [5]",
        "unexpected add_embedding.linear_1.weight [2, 3]",
        "conv_norm_out.bias: expected float32, bfloat16 or float16, got I32",
    ]
