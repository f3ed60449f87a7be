"""The try-on task inside its loop: it learns, and touches only what it may."""

import csv

import pytest
import torch

from catvton import weights
from catvton._native import C
from catvton.train.cli import main
from catvton.train.latents import draw, encode
from catvton.train.samples import Wardrobe


def losses(folder):
    with open(folder / "log.csv", newline="") as file:
        return [float(row["loss"]) for row in csv.DictReader(file)]


def test_loss_falls_on_few_samples(tmp_path, arguments):
    more = ["--steps", "150", "--train", "unet", "--learning-rate", "3e-3", "--batch-size", "4", "--samples", "2"]
    more += ["--cache", str(tmp_path / "cache")]
    assert main(arguments(tmp_path, *more)) == 0
    seen = losses(tmp_path)
    assert len(seen) == 150
    assert sum(seen[-30:]) < 0.7 * sum(seen[:30])


@pytest.mark.parametrize("what", ["attention", "transformer", "unet"])
def test_only_the_chosen_weights_change(tmp_path, arguments, tiny, what):
    assert main(arguments(tmp_path, "--steps", "2", "--train", what)) == 0
    attention = tmp_path / "attention" if what == "attention" else None
    trained = weights.load_unet(tiny.base if attention else tmp_path / "unet", attention).parameters
    changed = {name for name, weight in trained.items() if not torch.equal(weight, tiny.unet[name])}
    allowed = {"attention": ".attn1.to_", "transformer": ".attentions.", "unet": ""}[what]
    assert changed == {name for name in tiny.unet if allowed in name}


def test_attention_checkpoint_is_the_published_format(tmp_path, arguments, tiny):
    from safetensors import safe_open

    assert main(arguments(tmp_path, "--steps", "1")) == 0
    with safe_open(tmp_path / "attention" / "model.safetensors", "pt") as file:
        names = set(file.keys())
        assert {file.get_tensor(name).dtype for name in names} == {torch.float32}
    suffixes = ("to_q.weight", "to_k.weight", "to_v.weight", "to_out.0.weight", "to_out.0.bias")
    # Two in the first down block, two in the last up block (its mirror has one more), one in the middle: 0, 8, ... 40.
    assert names == {f"{8 * i}.{suffix}" for i in range(6) for suffix in suffixes}


def test_the_only_optimizer_state_is_that_of_the_trained_weights(tmp_path, arguments, tiny):
    assert main(arguments(tmp_path, "--steps", "1")) == 0
    state = torch.load(next((tmp_path / "checkpoints").glob("*.pt")), weights_only=True)
    trained = {name for name in tiny.unet if ".attn1.to_" in name}
    assert set(state["weights"]) == trained
    assert len(state["optimizer"]["state"]) == len(trained)


def test_every_option_of_the_recipe_runs(tmp_path, arguments):
    more = "--train unet --dream --snr-gamma 5 --region-weights 2 .5 .25 --ema .9 --bf16 --recompute --accumulate 2"
    more += " --schedule cosine --warmup 1 --sheet-every 2 --steps 2 --half --optimizer muon --snr-floor 0.3"
    more += f" --pictures {tmp_path / 'pictures'} --cache {tmp_path / 'latents'}"
    assert main(arguments(tmp_path, *more.split())) == 0
    assert (tmp_path / "pictures" / "items-00000.safetensors").is_file()
    assert (tmp_path / "sheets" / "step-00000002.png").is_file()
    stored = weights.inspect(tmp_path / "unet" / "diffusion_pytorch_model.safetensors")
    assert set(stored.dtypes) == {"F16"}


def test_a_run_from_scratch_is_a_model_to_load(tmp_path, arguments, tiny):
    from catvton import TryOn

    plain = f"--vae {tiny.vae_folder} --out {tmp_path} --from-scratch --train unet --steps 1 --size 64x48 --samples 2"
    assert main([*plain.split(), "--batch-size", "1", "--threads", "1", "--quiet"]) == 0
    model = TryOn.load(tmp_path, device="cpu")
    assert model.masked
    assert model.unet.config.attention_heads == [2, 2, 4]


def test_visits_draw_afresh_and_dropout_is_as_rare_as_asked(tiny_vae):
    data = Wardrobe(1, (64, 48))
    encoded = encode(tiny_vae, data.sample(0), torch.device("cpu"))
    visits = range(400)
    batch = draw([encoded] * 400, visits, 0, 1.0, 1000, 0.1, torch.device("cpu"))
    assert 20 <= int(batch.dropped.sum()) <= 62  # 40 expected; 3.6 standard deviations
    assert len(set(batch.timesteps.tolist())) > 250 and batch.timesteps.max() > 950 and batch.timesteps.min() < 50
    assert abs(float(batch.noise.mean())) < 0.01 and abs(float(batch.noise.std()) - 1) < 0.01
    # The latents are draws from the posterior: their own mean and deviation come back.
    garments = batch.garment
    torch.testing.assert_close(garments.mean(0), encoded["garment.mean"], rtol=0, atol=float(garments.std(0).max()) / 4)
    assert torch.equal(batch.clean[:, :, 8:], garments)
    assert not torch.equal(garments[0], garments[1])
    # A visit is a function of seed and position, whatever batch it is in.
    alone = draw([encoded], range(7, 8), 0, 1.0, 1000, 0.1, torch.device("cpu"))
    assert torch.equal(alone.clean[0], batch.clean[7]) and torch.equal(alone.noise[0], batch.noise[7])


def test_masked_person_hides_the_garment(tiny_vae):
    sample = Wardrobe(1, (64, 48)).sample(0)
    other = sample | {"person": torch.where(sample["mask"] > 0, 0, sample["person"])}
    got = [encode(tiny_vae, s, torch.device("cpu")) for s in (sample, other)]
    assert torch.equal(got[0]["masked_person.mean"], got[1]["masked_person.mean"])
    assert not torch.equal(got[0]["person.mean"], got[1]["person.mean"])


def test_mask_free_base_is_refused(tmp_path, arguments, tiny, capsys):
    from catvton.train.export import save_unet
    from catvton.train.networks import fresh_unet

    config = weights.load_unet(tiny.base).config
    config.in_channels = 8
    save_unet(C.UNet(fresh_unet(config, 0), config), tmp_path / "base")
    assert main(arguments(tmp_path / "out", "--steps", "1", "--base", str(tmp_path / "base"))) == 2
    assert "mask-free" in capsys.readouterr().err
