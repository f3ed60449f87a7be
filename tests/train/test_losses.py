"""The loss against diffusers' and against formulas written out sample by sample."""

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.training_utils import compute_dream_and_update_latents, compute_snr

from catvton._native import C
from catvton.train.losses import LARGEST, LossOptions, add_noise, joined_condition, noise_loss, rectified, tryon_loss


@pytest.fixture(scope="module")
def scheduler():
    return DDPMScheduler(1000, 0.00085, 0.012, "scaled_linear")


@pytest.fixture(scope="module")
def alphas():
    return torch.tensor(C.alphas_cumprod(C.DDIMConfig()))


@pytest.fixture
def batch():
    torch.manual_seed(0)
    clean, noise = torch.randn(3, 4, 8, 5), torch.randn(3, 4, 8, 5)
    mask = (torch.rand(3, 1, 4, 5) < 0.5).float()
    return clean, noise, torch.tensor([0, 400, 999]), mask


def test_noise_is_added_as_diffusers_adds_it(scheduler, alphas, batch):
    clean, noise, timesteps, _ = batch
    want = scheduler.add_noise(clean, noise, timesteps)
    torch.testing.assert_close(add_noise(clean, noise, alphas[timesteps]), want, rtol=0, atol=1e-6)


def test_published_loss_is_the_mean_square_error(batch, alphas):
    clean, noise, timesteps, mask = batch
    got = noise_loss(clean, noise, alphas[timesteps], mask, LossOptions())
    torch.testing.assert_close(got, torch.nn.functional.mse_loss(clean, noise))


@pytest.mark.parametrize("floor", [None, 0.3])
def test_weights_of_regions_and_snr(scheduler, alphas, batch, floor):
    predicted, noise, timesteps, mask = batch
    options = LossOptions(snr_gamma=5.0, snr_floor=floor, region_weights=(2.0, 0.5, 0.25))
    snr = compute_snr(scheduler, timesteps)
    want = 0.0
    for b in range(3):
        total = 0.0
        for y in range(8):
            for x in range(5):
                weight = 0.25 if y >= 4 else 2.0 if mask[b, 0, y, x] else 0.5
                total += weight * float((predicted[b, :, y, x] - noise[b, :, y, x]).square().sum())
        weight = min(max(float(snr[b]), floor or 0.0), 5.0) / float(snr[b])
        want += total / (4 * 8 * 5) * min(weight, LARGEST) / 3
    assert float(noise_loss(predicted, noise, alphas[timesteps], mask, options)) == pytest.approx(want, rel=1e-5)


def test_dream_equals_diffusers(scheduler, alphas, batch):
    clean, noise, timesteps, _ = batch
    noisy = add_noise(clean, noise, alphas[timesteps])

    class Network:  # as diffusers calls one
        def __call__(self, sample, timestep, encoder_hidden_states):
            return type("Output", (), {"sample": 0.7 * sample})

    want = compute_dream_and_update_latents(Network(), scheduler, timesteps, noise, noisy, noise, None, 10.0)
    got = rectified(lambda sample: 0.7 * sample, noisy, noise, alphas[timesteps], 10.0)
    for mine, theirs in zip(got, want, strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-5, atol=1e-6)


def test_first_pass_of_dream_has_no_gradients(alphas, batch):
    clean, noise, timesteps, mask = batch
    passes = []
    factor = torch.tensor(0.5, requires_grad=True)

    def unet(sample, _):
        passes.append(torch.is_grad_enabled())
        return sample[:, :4] * factor

    condition = torch.zeros_like(clean)
    tryon_loss(unet, clean, noise, timesteps, alphas, mask, condition, LossOptions(dream=10.0)).backward()
    assert passes == [False, True]
    # The gradient is that of the second pass alone: input and target are constants.
    noisy, target = rectified(
        lambda s: s * 0.5, add_noise(clean, noise, alphas[timesteps]), noise, alphas[timesteps], 10
    )
    want = (2 * (0.5 * noisy - target) * noisy).mean()
    torch.testing.assert_close(factor.grad, want, rtol=1e-5, atol=1e-7)


def test_dropout_takes_the_garments_condition_and_nothing_else(alphas, batch):
    clean, noise, timesteps, mask = batch
    person, garment = torch.randn(3, 4, 4, 5), torch.randn(3, 4, 4, 5)
    seen = []

    def unet(sample, _):
        seen.append(sample)
        return sample[:, :4]

    for dropped in (torch.tensor([False] * 3), torch.tensor([True, False, True])):
        condition = joined_condition(person, garment, dropped)
        tryon_loss(unet, clean, noise, timesteps, alphas, mask, condition, LossOptions())
    kept, with_dropout = seen
    changed = (kept != with_dropout).nonzero()
    assert set(changed[:, 0].tolist()) == {0, 2}  # samples
    assert set(changed[:, 1].tolist()) == {5, 6, 7, 8}  # condition's channels, after [noisy 4 | mask 1]
    assert changed[:, 2].min() == 4  # rows: the garment's half
    assert (with_dropout[[0, 2], 5:, 4:] == 0).all()


def test_unet_sees_what_it_sees_in_a_tryon(tiny_unet, tiny_vae, alphas):
    """The engine's own input in its first step, from the latents that the engine itself drew."""
    torch.manual_seed(3)
    person, garment = torch.rand(1, 3, 64, 48) * 2 - 1, torch.rand(1, 3, 64, 48) * 2 - 1
    mask = torch.zeros(1, 1, 64, 48)
    mask[:, :, 13:50, 9:33] = 1
    taps = {}
    draws = []

    def draw(shape):
        draws.append(torch.randn(shape))
        return draws[-1]

    with torch.no_grad():
        C.tryon(
            tiny_unet, tiny_vae, person=person, garment=garment, mask=mask, scheduler=C.DDIMConfig(), steps=1,
            guidance=2.0, eta=1.0, noise=draw, tap=lambda name, value: taps.setdefault(name, value.clone()),
        )  # fmt: skip
        encoded = []
        for picture, noise in ((person * (mask < 0.5), draws[0]), (garment, draws[1])):
            mean, std = tiny_vae.encode(picture)
            encoded.append((mean + std * noise) * tiny_vae.config.scaling_factor)
    unconditional, conditional = taps["step.000.unet_in"]
    for want, dropped in ((unconditional, True), (conditional, False)):
        seen = []

        def unet(sample, _, seen=seen):
            seen.append(sample)
            return sample[:, :4]

        # A schedule without noise: the noisy latents are the clean ones.
        latent_mask = torch.nn.functional.interpolate(mask, scale_factor=1 / 8)
        condition = joined_condition(*encoded, torch.tensor([dropped]))
        no_noise, start = torch.zeros_like(draws[2]), torch.tensor([0])
        tryon_loss(unet, draws[2], no_noise, start, torch.ones(1), latent_mask, condition, LossOptions())
        torch.testing.assert_close(seen[0][0], want, rtol=0, atol=1e-6)
