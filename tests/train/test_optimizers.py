"""Muon on convolutions: one step against the published algorithm written out in float64."""

import copy

import numpy as np
import pytest
import torch

from catvton.train.optimizers import make_optimizer

RATE, MOMENTUM = 1e-2, 0.95


def orthogonalised(matrix: np.ndarray) -> np.ndarray:
    """What Newton-Schulz iterations approximate: all singular values become 1."""
    u, _, v = np.linalg.svd(matrix, full_matrices=False)
    return u @ v


def test_steps_of_a_convolution_are_orthogonalised_momentum():
    torch.manual_seed(0)
    weight = torch.randn(6, 4, 3, 3, requires_grad=True)
    start = weight.detach().clone()
    optimizer = make_optimizer("muon", [weight], RATE, (0.9, 0.999), 0.0)
    gradient = torch.randn_like(weight)
    weight.grad = gradient.clone()
    optimizer.step()

    matrix = gradient.flatten(1).double().numpy()
    momentum = (1 - MOMENTUM) * matrix
    nesterov = (1 - MOMENTUM) * matrix + MOMENTUM * momentum
    want = -RATE * 0.2 * np.sqrt(max(matrix.shape)) * orthogonalised(nesterov)
    step = (weight.detach() - start).flatten(1).double().numpy()
    # Five iterations leave singular values between 0.7 and 1.2: the direction is what must agree.
    cosine = (step * want).sum() / np.linalg.norm(step) / np.linalg.norm(want)
    assert cosine > 0.97
    assert np.linalg.norm(step) == pytest.approx(np.linalg.norm(want), rel=0.2)


@pytest.mark.parametrize("shape", [(6, 4, 3, 3), (40, 3, 1, 1), (5, 5)])
def test_steps_are_the_published_iterations_in_float64(shape):
    torch.manual_seed(0)
    weight = torch.randn(shape, requires_grad=True)
    want, momentum, decay = weight.detach().flatten(1).double().numpy(), 0.0, 0.1
    optimizer = make_optimizer("muon", [weight], RATE, (0.9, 0.999), decay)
    for _ in range(3):
        weight.grad = torch.randn(shape)
        gradient = weight.grad.flatten(1).double().numpy()
        momentum = MOMENTUM * momentum + (1 - MOMENTUM) * gradient
        x = (1 - MOMENTUM) * gradient + MOMENTUM * momentum
        x = x / np.linalg.norm(x)
        for _ in range(5):
            x = 3.4445 * x + (-4.7750 * x @ x.T + 2.0315 * x @ x.T @ x @ x.T) @ x
        want = want * (1 - RATE * decay) - RATE * 0.2 * np.sqrt(max(x.shape)) * x
        optimizer.step()
    np.testing.assert_allclose(weight.detach().flatten(1).numpy(), want, rtol=0, atol=1e-6)  # float32's rounding


def test_it_is_torchs_muon_within_bfloat16():
    torch.manual_seed(0)
    weight = torch.randn(24, 40, requires_grad=True)
    twin = torch.nn.Parameter(weight.detach().clone())
    ours = make_optimizer("muon", [weight], RATE, (0.9, 0.999), 0.1)
    theirs = torch.optim.Muon([twin], RATE, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    start = twin.detach().clone()
    for _ in range(3):
        weight.grad = torch.randn(24, 40)
        twin.grad = weight.grad.clone()
        ours.step()
        theirs.step()
    assert torch.linalg.norm(weight - twin) < 0.05 * torch.linalg.norm(twin - start)


def test_norms_and_biases_step_as_adamw_steps_them():
    torch.manual_seed(0)
    bias, twin = (torch.ones(5, requires_grad=True) for _ in range(2))
    weight = torch.randn(5, 5, requires_grad=True)
    ours = make_optimizer("muon", [weight, bias], RATE, (0.9, 0.995), 0.01)
    adamw = torch.optim.AdamW([twin], RATE, betas=(0.9, 0.995), weight_decay=0.01)
    for _ in range(3):
        weight.grad, bias.grad = torch.randn(5, 5), torch.randn(5)
        twin.grad = bias.grad.clone()
        ours.step()
        adamw.step()
    assert torch.equal(bias, twin)


def test_a_state_that_was_stored_goes_on_to_the_bit():
    def steps(weight, optimizer, seeds):
        for seed in seeds:
            weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed))
            optimizer.step()
            optimizer.zero_grad()
            assert weight.grad is None

    def fresh():
        weight = torch.ones(3, 2, 1, 1, requires_grad=True)
        return weight, make_optimizer("muon", [weight], RATE, (0.9, 0.999), 0.0)

    weight, optimizer = fresh()
    steps(weight, optimizer, range(2))
    resumed, other = fresh()
    with torch.no_grad():
        resumed.copy_(weight)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    steps(weight, optimizer, range(2, 5))
    steps(resumed, other, range(2, 5))
    assert torch.equal(weight, resumed)


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match="optimizer 'sgd': expected one of adamw, muon"):
        make_optimizer("sgd", [], RATE, (0.9, 0.999), 0.0)
