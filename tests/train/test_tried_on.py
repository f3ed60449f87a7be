"""A decoder that learns from a UNet's own try-ons."""

import numpy as np
import pytest
import torch

from catvton import weights
from catvton._native import C
from catvton.train.cli import main
from catvton.train.networks import fresh_vae
from catvton.train.samples import Wardrobe, to_model_range
from catvton.train.sheets import paint, pixels
from catvton.train.tried_on import GUIDANCE, STEPS, TriedOn
from catvton.train.vae_task import VAETask, vae_loss

SIZE = (64, 48)
CASES = Wardrobe(3, SIZE)


class Items(list):
    key = "what a test made up"


@pytest.fixture(scope="module")
def made(tiny, tmp_path_factory):
    cache = tmp_path_factory.mktemp("tried-on")
    return TriedOn(tiny.folder, weights.load_vae(tiny.vae_folder, dtype="float32"), CASES, 3, cache, progress=False)


def test_latents_are_those_of_the_picture_that_the_engine_paints(tiny, made):
    unet, vae = weights.load_unet(tiny.base, dtype="float32"), weights.load_vae(tiny.vae_folder, dtype="float32")
    for index in range(3):
        case = CASES.tryon_case(index)
        scheduler = weights.load_scheduler(None)
        want = paint(unet, vae, scheduler, case, steps=STEPS, guidance=GUIDANCE, seed=index)
        with torch.no_grad():
            decoded = (vae.decode(made[index]["latent"][None])[0] / 2 + 0.5).clamp(0, 1)
        assert np.abs(decoded.permute(1, 2, 0).numpy() * 255 - want).max() < 0.51
        assert np.array_equal(pixels(made[index]["truth"]), pixels(case["truth"]))


def test_every_second_sample_is_a_try_on_and_shall_become_its_truth(tiny_vae):
    """A VAE that is certain (its posterior has no width) leaves no noise: what it then loses can be told by hand."""
    state = {name: weight.clone() for name, weight in tiny_vae.parameters.items()}
    state["quant_conv.weight"][4:], state["quant_conv.bias"][4:] = 0, -30  # the logarithm of the variance
    vae = C.VAE(state, tiny_vae.config)
    generator = torch.Generator().manual_seed(3)
    item = {
        "latent": torch.randn(4, 8, 6, generator=generator),
        "truth": torch.randint(256, (3, *SIZE), generator=generator, dtype=torch.uint8),
    }
    items = Items([item])
    data = Wardrobe(1, SIZE)
    task = VAETask(vae, data, SIZE, 100, seed=0, decoder_only=True, ssim=0.5, tried_on=items)
    sample = data.sample(0)
    with torch.no_grad():
        losses = []
        for first, second in ((a, b) for a in ("person", "garment") for b in ("person", "garment")):
            pictures = torch.stack([to_model_range(sample[first]), to_model_range(sample[second])])
            mean, std = vae.encode(pictures)
            latents = torch.cat([mean, item["latent"][None].expand(2, -1, -1, -1)])
            truths = torch.cat([pictures, to_model_range(item["truth"])[None].expand(2, -1, -1, -1)])
            losses.append(float(vae_loss(vae.decode(latents), truths, mean, std, ssim=0.5)))
        found = float(task.loss(range(4)))
    assert min(abs(found - loss) for loss in losses) < 1e-5 * found  # the pictures drawn are one of four pairs


def test_each_is_learnt_from_before_any_comes_again(tiny_vae, made):
    task = VAETask(tiny_vae, CASES, SIZE, 100, seed=5, decoder_only=True, tried_on=made)
    latents, truths = task._tried_on([1, 3, 5])
    order = [next(i for i in range(3) if torch.equal(latent, made[i]["latent"])) for latent in latents]
    assert sorted(order) == [0, 1, 2]
    for index, truth in zip(order, truths, strict=True):
        assert torch.equal(truth, to_model_range(CASES.tryon_case(index)["truth"]))


def test_they_are_made_once_and_only_for_one_model(tiny, made, tmp_path):
    vae = weights.load_vae(tiny.vae_folder, dtype="float32")
    cache = made.items.folder
    before = {path.name: path.stat().st_mtime_ns for path in cache.iterdir()}
    again = TriedOn(tiny.folder, vae, CASES, 3, cache, progress=False)
    assert {path.name: path.stat().st_mtime_ns for path in cache.iterdir()} == before
    assert all(torch.equal(again[i]["latent"], made[i]["latent"]) for i in range(3))
    with pytest.raises(ValueError, match="made from other data"):
        TriedOn(tiny.folder, vae, Wardrobe(3, SIZE, seed=1), 3, cache, progress=False)


def test_the_decoder_learns_and_the_latents_stay(tiny, tmp_path):
    plain = f"vae --decoder-only --vae {tiny.vae_folder} --tried-on {tiny.folder} --tried-on-cases 3 --size 64x48"
    plain += f" --samples 3 --batch-size 4 --steps 30 --learning-rate 3e-3 --threads 1 --quiet --out {tmp_path}"
    assert main(plain.split()) == 0
    before, after = weights.load_vae(tiny.vae_folder), weights.load_vae(tmp_path / "vae")
    made = TriedOn(tiny.folder, after, CASES, 3, tmp_path / "cache", progress=False)  # as the run left them

    def error(vae):
        with torch.no_grad():
            items = [made[i] for i in range(3)]
            decoded = vae.decode(torch.stack([item["latent"] for item in items]))
            return float((decoded - to_model_range(torch.stack([item["truth"] for item in items]))).abs().mean())

    assert error(after) < 0.9 * error(before)
    for name, weight in after.parameters.items():
        assert torch.equal(weight, before.parameters[name]) or name.startswith(("decoder.", "post_quant_conv."))


def test_an_encoder_of_other_latents_is_refused(tiny, tiny_vae, tmp_path):
    other = C.VAE(fresh_vae(tiny_vae.config, 9), tiny_vae.config)
    with pytest.raises(ValueError, match="the encoder of --vae is not"):
        TriedOn(tiny.folder, other, CASES, 3, tmp_path / "cache", progress=False)
    assert not (tmp_path / "cache").exists()


def test_cases_without_a_truth_are_refused(tiny, tmp_path):
    class Unknown(Wardrobe):
        def tryon_case(self, index):
            return {name: value for name, value in super().tryon_case(index).items() if name != "truth"}

    vae = weights.load_vae(tiny.vae_folder, dtype="float32")
    with pytest.raises(ValueError, match="truth of its try-ons is not known"):
        TriedOn(tiny.folder, vae, Unknown(2, SIZE), 2, tmp_path, progress=False)
    assert not list(tmp_path.glob("items-*"))


@pytest.mark.parametrize(
    "options",
    [
        "vae --tried-on demo",
        "vae --decoder-only --vae somewhere --tried-on demo --batch-size 1",
        "vae --decoder-only --vae somewhere --tried-on demo --tried-on-cases 0",
        "tryon --tried-on demo",
    ],
)
def test_options_without_use_are_refused(options, tmp_path, capsys):
    assert main([*options.split(), "--out", str(tmp_path), "--steps", "1"]) == 2
    assert "--tried-on is" in capsys.readouterr().err
