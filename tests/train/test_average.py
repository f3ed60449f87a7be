"""Averaged models: every weight the mean, a model that loads, and clear refusals."""

import pytest
import torch

from catvton import TryOn
from catvton._native import C
from catvton.train.average import average_models
from catvton.train.export import save_scheduler, save_unet, save_vae
from support import diffusers_unet, native_unet


def written(folder, unet, vae):
    save_unet(unet, folder / "unet")
    save_vae(vae, folder / "vae", 0.5)
    save_scheduler(C.DDIMConfig(), folder / "scheduler")
    return folder


@pytest.fixture
def models(tiny_unet, tiny_vae, tmp_path):
    """Two models, the second with every weight moved by something else."""

    def moved(network):
        state = {name: weight + torch.randn_like(weight) for name, weight in network.parameters.items()}
        return type(network)(state, network.config)

    torch.manual_seed(0)
    return [
        written(tmp_path / "a", tiny_unet, tiny_vae),
        written(tmp_path / "b", moved(tiny_unet), moved(tiny_vae)),
    ]


def test_every_weight_is_the_mean(models, tmp_path):
    average_models(models, tmp_path / "deep" / "mean")
    first, second, mean = (TryOn.load(m, device="cpu", dtype="float32") for m in (*models, tmp_path / "deep" / "mean"))
    for part in ("unet", "vae"):
        a, b, found = (getattr(tryon, part).parameters for tryon in (first, second, mean))
        assert found.keys() == a.keys()
        for name, weight in found.items():
            torch.testing.assert_close(weight.double(), (a[name].double() + b[name].double()) / 2, rtol=1e-6, atol=1e-7)
    assert mean.vae.config.scaling_factor == 0.5
    assert not [path for path in (tmp_path / "deep").iterdir() if path.name != "mean"]


def test_three_weigh_the_same(models, tmp_path):
    average_models([*models, models[1]], tmp_path / "mean")
    first, second, mean = (TryOn.load(m, device="cpu", dtype="float32") for m in (*models, tmp_path / "mean"))
    name = "conv_in.weight"
    wanted = (first.unet.parameters[name] + 2 * second.unet.parameters[name]) / 3
    torch.testing.assert_close(mean.unet.parameters[name], wanted)


def test_models_of_other_shapes_are_refused(models, tiny_vae, tmp_path):
    other = native_unet(diffusers_unet(block_out_channels=(16, 32), attention_head_dim=2))
    with pytest.raises(ValueError, match=r"c: .* is \[.*\], in .*a \[.*\]: only models of the same shapes"):
        average_models([models[0], written(tmp_path / "c", other, tiny_vae)], tmp_path / "mean")
    assert not (tmp_path / "mean").exists()


def test_what_is_there_stays(models, tmp_path):
    (tmp_path / "mean").mkdir()
    with pytest.raises(FileExistsError, match="give another folder"):
        average_models(models, tmp_path / "mean")


def test_one_model_has_no_mean(models, tmp_path):
    with pytest.raises(ValueError, match="two models or more"):
        average_models(models[:1], tmp_path / "mean")
