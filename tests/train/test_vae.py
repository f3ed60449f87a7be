"""Training the small VAE."""

import csv

import numpy as np
import pytest
import torch

from catvton import weights
from catvton.train.cli import main
from catvton.train.samples import Wardrobe, to_model_range
from catvton.train.vae_task import COLOUR, GRADIENT, KL, L2, VAETask, ceiling, vae_loss


def test_loss_is_what_its_parts_are_by_themselves():
    torch.manual_seed(0)
    decoded, pictures = torch.randn(2, 3, 16, 8), torch.randn(2, 3, 16, 8)
    mean, std = torch.randn(2, 4, 2, 3), torch.rand(2, 4, 2, 3) + 0.1
    normal = torch.distributions.Normal
    divergence = torch.distributions.kl_divergence(normal(mean, std), normal(0.0, 1.0)).mean()

    def gradient(picture, dim):
        return picture.narrow(dim, 1, picture.shape[dim] - 1) - picture.narrow(dim, 0, picture.shape[dim] - 1)

    edges = [torch.nn.functional.l1_loss(gradient(decoded, dim), gradient(pictures, dim)) for dim in (2, 3)]
    want = torch.nn.functional.l1_loss(decoded, pictures) + L2 * torch.nn.functional.mse_loss(decoded, pictures)
    smaller = [picture.unflatten(2, (2, 8)).mean((3, 4)) for picture in (decoded, pictures)]
    red, green, blue = (smaller[0] - smaller[1]).unbind(1)
    axes = [(red + green + blue) / 3, red - green, (red + green) / 2 - blue]
    colour = sum(weight * axis.abs().mean() for weight, axis in zip(COLOUR, axes, strict=True)) / 3 + KL * divergence
    torch.testing.assert_close(vae_loss(decoded, pictures, mean, std, colour_alone=True), colour)
    want = want + GRADIENT * (edges[0] + edges[1]) / 2 + colour
    torch.testing.assert_close(vae_loss(decoded, pictures, mean, std), want)


def test_structure_is_one_more_part_of_the_loss():
    metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is the truth here")
    torch.manual_seed(0)
    pictures, mean, std = torch.rand(1, 3, 24, 16), torch.zeros(1, 4, 3, 2), torch.ones(1, 4, 3, 2)
    decoded = (pictures + 0.1 * torch.randn(1, 3, 24, 16)).clamp(0, 1)
    planes = [(p[0] / 2 + 0.5).numpy() for p in (decoded, pictures)]
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1}
    missing = 1 - metrics.structural_similarity(*planes, channel_axis=0, **options)
    without, with_it = (vae_loss(decoded, pictures, mean, std, ssim=weight) for weight in (0.0, 0.7))
    assert float(with_it - without) == pytest.approx(0.7 * missing, rel=1e-4)


def test_crops_grow_and_are_parts_of_the_pictures(tiny_vae):
    data = Wardrobe(1, (64, 48))
    task = VAETask(tiny_vae, data, (64, 48), samples=100, seed=0)
    seen = {name: to_model_range(picture) for name, picture in data.sample(0).items() if name != "mask"}
    for position, size in ((0, (32, 32)), (50, (64, 48)), (99, (64, 48))):
        crop = task._crops(range(position, position + 2))
        assert crop.shape == (2, 3, *size)
        windows = [p.unfold(1, size[0], 1).unfold(2, size[1], 1).permute(1, 2, 0, 3, 4) for p in seen.values()]
        assert any((window == crop[1]).all((2, 3, 4)).any() for window in windows)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vae")
    plain = (
        f"vae --out {folder} --size 64x48 --samples 4 --steps 40 --batch-size 4 --threads 1 --quiet --sheet-every 40"
    )
    assert main(plain.split()) == 0
    return folder


def test_loss_falls(run):
    with open(run / "log.csv", newline="") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file)]
    assert np.mean(losses[5:15]) > 1.2 * np.mean(losses[-10:])


def test_written_vae_has_latents_as_large_as_noise(run):
    vae = weights.load_vae(run / "vae")
    data = Wardrobe(4, (64, 48))
    pictures = [to_model_range(data.sample(i)[name]) for i in range(4) for name in ("person", "garment")]
    mean, std = vae.encode(torch.stack(pictures))
    scaled = (mean + std * torch.randn(mean.shape)) * vae.config.scaling_factor
    assert float(scaled.std()) == pytest.approx(1, rel=0.02)


def test_written_vae_equals_diffusers(run):
    from diffusers import AutoencoderKL

    vae, theirs = weights.load_vae(run / "vae"), AutoencoderKL.from_pretrained(run / "vae")
    picture = to_model_range(Wardrobe(1, (64, 48)).sample(0)["person"])[None]
    with torch.no_grad():
        mean, _ = vae.encode(picture)
        torch.testing.assert_close(mean, theirs.encode(picture).latent_dist.mean, rtol=0, atol=1e-5)
        torch.testing.assert_close(vae.decode(mean), theirs.decode(mean).sample, rtol=0, atol=1e-5)


def test_ceiling_is_the_truth_outside_the_mask(tiny_vae):
    case = Wardrobe(1, (64, 48), split="test").tryon_case(0)
    best = torch.from_numpy(ceiling(tiny_vae, case)).permute(2, 0, 1)
    outside = case["mask"].expand(3, -1, -1) == 0
    assert torch.equal(best[outside], case["person"][outside])


def test_options_without_use_are_refused(tmp_path, capsys):
    assert main(["vae", "--out", str(tmp_path), "--steps", "1", "--base", "unet"]) == 2
    assert "--base has no use" in capsys.readouterr().err


def test_a_decoder_that_is_trained_on_leaves_the_latents_as_they_were(run, tmp_path):
    plain = f"vae --vae {run / 'vae'} --decoder-only --out {tmp_path} --size 64x48 --samples 4 --steps 2"
    assert main([*plain.split(), "--batch-size", "2", "--threads", "1", "--quiet"]) == 0
    before, after = weights.load_vae(run / "vae"), weights.load_vae(tmp_path / "vae")
    assert after.config.scaling_factor == before.config.scaling_factor
    changed = {n for n, tensor in after.parameters.items() if not torch.equal(tensor, before.parameters[n])}
    assert changed
    assert all(name.startswith(("decoder.", "post_quant_conv.")) for name in changed)
    picture = to_model_range(Wardrobe(4, (64, 48)).sample(0)["person"])[None]
    with torch.no_grad():
        assert torch.equal(after.encode(picture)[0], before.encode(picture)[0])


@pytest.mark.parametrize("options", ["--decoder-only", "--vae somewhere"])
def test_a_decoder_and_its_vae_are_named_together(options, tmp_path, capsys):
    assert main([*f"vae --out {tmp_path} --steps 1 {options}".split()]) == 2
    assert "--decoder-only trains the decoder of the VAE that --vae names" in capsys.readouterr().err
