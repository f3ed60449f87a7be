"""Original names against diffusers' own converters, on the names that ldm's constructors give."""

import pytest
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint, convert_ldm_vae_checkpoint

import ldm_shapes
import synthetic_weights
from catvton._native import C

Spelling = C.names.Spelling


def shapes_of(model, config):
    with torch.device("meta"):
        weights = model.from_config(config).state_dict()
    return {name: list(tensor.shape) for name, tensor in weights.items()}


def marked(prefix, shapes):
    """A state dict on meta: its tensors are told apart by identity."""
    return {prefix + name: torch.empty(shape, device="meta") for name, shape in shapes.items()}


def translated(state, name_of, spelling):
    assert C.names.spelling(list(state)) == spelling
    named = {name_of(key, spelling): tensor for key, tensor in state.items()}
    named.pop(None, None)
    return named


@pytest.mark.parametrize("spelling, prefix", [(Spelling.checkpoint, "model.diffusion_model."), (Spelling.original, "")])
def test_unet_names_are_those_of_diffusers_converter(spelling, prefix):
    original = marked("", ldm_shapes.unet())
    theirs = convert_ldm_unet_checkpoint(
        {"model.diffusion_model." + key: tensor for key, tensor in original.items()}, {"layers_per_block": 2}
    )
    in_diffusers = shapes_of(UNet2DConditionModel, synthetic_weights.UNET)
    assert {name: list(tensor.shape) for name, tensor in theirs.items()} == in_diffusers  # the names are complete

    ours = translated({prefix + key: tensor for key, tensor in original.items()}, C.names.unet_name, spelling)
    assert ours.keys() == {name for name in theirs if ".attn2." not in name}
    assert all(tensor is theirs[name] for name, tensor in ours.items())


@pytest.mark.parametrize("spelling, prefix", [(Spelling.checkpoint, "first_stage_model."), (Spelling.original, "")])
def test_vae_names_are_those_of_diffusers_converter(spelling, prefix):
    # Constants as values: the converter makes new tensors where it turns 1x1 convolutions into linear layers.
    original = {name: torch.tensor(float(i)).expand(shape) for i, (name, shape) in enumerate(ldm_shapes.vae().items())}
    theirs = convert_ldm_vae_checkpoint(
        {"first_stage_model." + key: tensor for key, tensor in original.items()},
        {"down_block_types": [None] * 4, "up_block_types": [None] * 4},
    )
    in_diffusers = shapes_of(AutoencoderKL, synthetic_weights.VAE)
    assert {name: list(tensor.shape) for name, tensor in theirs.items()} == in_diffusers

    ours = translated({prefix + key: tensor for key, tensor in original.items()}, C.names.vae_name, spelling)
    assert {name: tensor.flatten()[0] for name, tensor in ours.items()} == {
        name: tensor.flatten()[0] for name, tensor in theirs.items()
    }


def test_other_networks_and_leftovers_of_a_checkpoint_have_no_name():
    for key in ("cond_stage_model.transformer.text_model.final_layer_norm.bias", "betas", "model_ema.decay"):
        assert C.names.unet_name(key, Spelling.checkpoint) is None
        assert C.names.vae_name(key, Spelling.checkpoint) is None
    assert C.names.vae_name("loss.logvar", Spelling.original) is None


def test_published_numbers_of_parameters():
    def count(shapes):
        return sum(torch.Size(shape).numel() for shape in shapes.values())

    unet, vae = C.UNet.shapes(C.UNetConfig()), C.VAE.shapes(C.VAEConfig())
    assert count(unet) == 815_572_804
    assert count(vae) == 83_653_863
    assert count({name: shape for name, shape in unet.items() if ".attn1." in name}) == 49_574_080
