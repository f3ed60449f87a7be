"""Presets and approximations as a user asks for them: in Python, for an outfit, on the command line."""

import numpy as np
import pytest
import torch
from PIL import Image

import catvton
from catvton._native import C
from catvton.cli import main
from catvton.presets import PRESETS, SOLVERS, Sampling, sampling
from support import diffusers_unet, diffusers_vae

SIZE = {"height": 64, "width": 48}
APPROXIMATE = {
    "steps": 4, "solver": "unipc", "guidance_interval": (0.25, 0.75), "cache_interval": 2, "token_downsampling": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    diffusers_unet().save_pretrained(root / "unet")
    diffusers_vae().save_pretrained(root / "vae")
    for name, seed in (("person", 1), ("garment", 2)):
        noise = np.random.default_rng(seed).integers(0, 256, (5, 4, 3), np.uint8)
        Image.fromarray(noise).resize((48, 64), Image.Resampling.BICUBIC).save(root / f"{name}.png")
    mask = np.zeros((64, 48), np.uint8)
    mask[20:50, 10:40] = 255
    Image.fromarray(mask).save(root / "mask.png")
    return root


@pytest.fixture(scope="module")
def tryon(folder):
    return catvton.TryOn.load(unet=folder / "unet", vae=folder / "vae", device="cpu")


@pytest.fixture
def call(tryon, folder):
    def made(**options):
        files = [folder / f"{name}.png" for name in ("person", "garment", "mask")]
        return np.asarray(tryon(*files, **{"seed": 5, **SIZE, **options}).image)

    return made


def test_exact_is_the_default_and_what_the_weights_were_evaluated_with(call):
    assert PRESETS["exact"] == Sampling(50, 2.5, 1.0, "ddim", (0.0, 1.0), 1, 1)
    assert np.array_equal(call(steps=2), call(preset="exact", steps=2, **{"eta": 1.0, "solver": "ddim"}))


def test_every_preset_runs_and_gives_a_picture_of_its_own(call):
    cut = {"exact": 3, "fast": None, "turbo": None}
    made = {name: call(preset=name, steps=steps) for name, steps in cut.items()}
    for name in ("fast", "turbo"):
        assert made[name].shape == made["exact"].shape and not np.array_equal(made[name], made["exact"])
        assert PRESETS[name].steps < PRESETS["exact"].steps
        C.check_options(C.DDIMConfig(), **PRESETS[name].options())


def test_what_is_given_wins_over_the_preset(call):
    given = {"guidance": 1.5, "cache_interval": 1}
    assert sampling("fast", **given, eta=None) == Sampling(**{**PRESETS["fast"].options(), **given})
    spelt_out = {**PRESETS["turbo"].options(), "steps": 3, "guidance": 1.25}
    if spelt_out["solver"] != "ddim":
        del spelt_out["eta"]
    assert np.array_equal(call(preset="turbo", steps=3, guidance=1.25), call(**spelt_out))


def test_each_approximation_reaches_the_engine(call):
    exact = call(steps=4)
    for name, value in APPROXIMATE.items():
        if name != "steps":
            assert not np.array_equal(call(steps=4, **{name: value}), exact), name


@pytest.mark.parametrize("memory", ["normal", "low", "minimal"])
def test_in_every_memory_mode(call, memory):
    low = call(memory=memory, **APPROXIMATE).astype(int)
    assert np.abs(low - call(**APPROXIMATE)).max() <= 1


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"preset": "faster"}, ValueError, "preset must be one of exact, fast, turbo, got 'faster'"),
        ({"solver": "euler"}, ValueError, r"solver must be one of ddim, unipc, sde-dpm\+\+, got 'euler'"),
        ({"solver": "unipc", "eta": 0.5}, ValueError, "eta=0.5 is for solver='ddim', and the solver is 'unipc'"),
        ({"guidance_interval": 0.5}, TypeError, "guidance_interval must be two numbers"),
        ({"guidance_interval": ("a", "b")}, TypeError, "guidance_interval must be a number, got 'a'"),
        ({"guidance_interval": (0.9, 0.1)}, ValueError, "0 <= start < stop <= 1"),
        ({"cache_interval": 0}, ValueError, "cache_interval must be 1"),
        ({"cache_interval": 1.5}, TypeError, "cache_interval must be an integer, got 1.5"),
        ({"token_downsampling": 0}, ValueError, "token_downsampling must be 1"),
    ],
)
def test_mistakes_are_named(call, options, error, message):
    with pytest.raises(error, match=message):
        call(**options)


def test_solvers_are_the_engines():
    for name in SOLVERS:
        C.Solver(name, C.DDIMConfig(), 2)


def test_the_plan_counts_what_is_kept_from_step_to_step():
    """One map of the second level's channels, for each branch, in the latents' joined size."""
    unet, vae = C.UNetConfig(), C.VAEConfig()
    plans = [catvton.memory.plan(unet, vae, 512, 384, "float16", reuses=reuses) for reuses in (False, True)]
    kept = 2 * unet.block_out_channels[1] * (2 * 64 * 48) * 2
    assert 0 <= plans[1].unet_step - plans[0].unet_step <= 1.01 * kept


def test_an_outfit_counts_the_presets_steps(tryon, folder):
    seen = []
    tryon.outfit(
        folder / "person.png",
        upper=folder / "garment.png",
        lower=folder / "garment.png",
        masks={name: folder / "mask.png" for name in ("upper", "lower")},
        preset="turbo",
        seed=1,
        callback=lambda step, total, _: seen.append((step, total)),
        **SIZE,
    )
    total = 2 * PRESETS["turbo"].steps
    assert seen == [(step + 1, total) for step in range(total)]


def test_the_command_line(folder, call, tmp_path):
    files = [str(folder / name) for name in ("person.png", "garment.png")]
    common = ["--mask", str(folder / "mask.png"), "--unet", str(folder / "unet"), "--vae", str(folder / "vae")]
    common += ["--size", "64x48", "--device", "cpu", "--seed", "5", "-o", str(tmp_path / "made.png")]
    more = ["--steps", "4", "--solver", "unipc", "--guidance-interval", "0.25", "0.75", "--cache-interval", "2"]
    assert main(["tryon", *files, *common, *more, "--token-downsampling", "2"]) == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "made.png")), call(**APPROXIMATE))
    assert main(["tryon", *files, *common, "--preset", "turbo", "--steps", "2"]) == 0
    assert np.array_equal(np.asarray(Image.open(tmp_path / "made.png")), call(preset="turbo", steps=2))


def test_the_command_line_refuses_before_it_loads(folder, capsys):
    files = [str(folder / name) for name in ("person.png", "garment.png")]
    command = ["tryon", *files, "--models", "nowhere", "--preset", "turbo", "--solver", "sde-dpm++", "--eta", "0.5"]
    assert main(command) == 2
    assert "eta=0.5 is for solver='ddim'" in capsys.readouterr().err


def test_sampling_reads_numbers_of_numpy_and_lists():
    made = Sampling(steps=np.int64(3), guidance=np.float32(2), guidance_interval=[0, 1])
    assert made.guidance_interval == (0.0, 1.0) and made == Sampling(steps=3, guidance=2)
    assert torch.tensor(made.options()["guidance"]) == 2
