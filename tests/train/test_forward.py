"""What training may do to the forward without changing its gradients."""

import pytest
import torch

from catvton.train.forward import recomputing, training_forward


def gradients(unet, forward, seed=0):
    torch.manual_seed(seed)
    sample, target = torch.randn(2, 9, 10, 6), torch.randn(2, 4, 10, 6)
    for weight in unet.parameters.values():
        weight.requires_grad_().grad = None
    predicted = forward(sample, torch.tensor([3.0, 700.0]))
    (predicted.float() - target).square().mean().backward()
    return {name: weight.grad.clone() for name, weight in unet.parameters.items()}


def test_recomputing_blocks_changes_no_gradient(tiny_unet):
    plain = gradients(tiny_unet, tiny_unet)
    again = gradients(tiny_unet, lambda sample, timesteps: recomputing(tiny_unet, sample, timesteps))
    assert plain.keys() == again.keys()
    for name, gradient in plain.items():
        assert torch.equal(gradient, again[name]), name


def test_recomputing_keeps_less(tiny_unet):
    def kept(forward):
        stored = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: stored.append(t.numel()) or t, lambda t: t):
            forward(torch.randn(1, 9, 32, 24), torch.tensor([5.0]))
        return sum(stored)

    for weight in tiny_unet.parameters.values():
        weight.requires_grad_()
    assert kept(training_forward(tiny_unet, torch.device("cpu"), recompute=True)) < 0.3 * kept(tiny_unet)


def test_bfloat16_keeps_float32_masters(tiny_unet):
    plain = gradients(tiny_unet, tiny_unet)
    half = gradients(tiny_unet, training_forward(tiny_unet, torch.device("cpu"), bf16=True))
    joined = [torch.cat([g.flatten() for g in grads.values()]) for grads in (plain, half)]
    assert all(gradient.dtype == torch.float32 for gradient in half.values())
    assert not torch.equal(*joined)
    # bfloat16 has 8 bits: 2^-8 an operation, some tens of them in a row.
    assert (joined[1] - joined[0]).norm() < 0.08 * joined[0].norm()


@pytest.mark.parametrize("recompute", [False, True])
def test_without_gradients_nothing_is_kept(tiny_unet, recompute):
    with torch.no_grad():
        out = training_forward(tiny_unet, torch.device("cpu"), recompute=recompute)(
            torch.randn(1, 9, 8, 8), torch.tensor([1.0])
        )
    assert out.grad_fn is None
