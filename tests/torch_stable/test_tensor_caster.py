"""torch.Tensor across the border: shared, with its autograd, counted right, and nothing else let in."""

import gc
import os
import weakref

import pytest
import torch

from catvton._native import C

ops = C.ops


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def through(x: torch.Tensor) -> torch.Tensor:
    """`x` into C++ and back."""
    return ops.to_dtype_of(x, x)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64], ids=str)
@pytest.mark.parametrize("shape", [(), (0,), (3, 5), (1, 2, 3, 4, 5)])
def test_shared_not_copied(dtype, shape):
    x = torch.zeros(shape, dtype=dtype)
    y = through(x)
    assert (y.dtype, y.shape, y.stride(), y.data_ptr()) == (x.dtype, x.shape, x.stride(), x.data_ptr())


def test_the_same_object_returns():
    x = torch.zeros(3)
    assert through(x) is x


def test_written_on_one_side_seen_on_the_other():
    x = torch.zeros(3)
    through(x).add_(1)
    assert torch.equal(x, torch.ones(3))


def test_strides_and_offset():
    x = torch.arange(24.0).view(4, 6)[1:, ::2].t()
    y = through(x)
    assert y.stride() == x.stride() and y.storage_offset() == x.storage_offset() and torch.equal(x, y)


def test_requires_grad_and_graph_survive():
    leaf = torch.randn(3, requires_grad=True)
    assert through(leaf).requires_grad
    inner = leaf * 2
    result = ops.mul(through(inner), inner)
    assert result.grad_fn is not None
    result.sum().backward()
    torch.testing.assert_close(leaf.grad, 8 * leaf.detach())


def test_no_graph_under_no_grad():
    leaf = torch.randn(3, requires_grad=True)
    with torch.no_grad():
        assert not ops.mul(leaf, leaf).requires_grad


def test_a_parameter_is_a_tensor():
    parameter = torch.nn.Parameter(torch.randn(3))
    ops.mul(parameter, 2.0).sum().backward()
    assert torch.equal(parameter.grad, torch.full((3,), 2.0))


def test_nothing_keeps_an_argument_alive():
    x = torch.zeros(1000)
    ops.add(x, x)
    ops.cat([x, x], 0)
    ops.chunk(x, 2, 0)
    ops.linear(torch.zeros(2, 1000), x.view(1, 1000), None)
    gone = weakref.ref(x)
    storage = weakref.ref(x.untyped_storage())
    del x
    gc.collect()
    assert gone() is None and storage() is None


def test_nothing_keeps_an_argument_alive_after_an_error():
    x = torch.zeros(1000)
    with pytest.raises(RuntimeError):
        ops.add(x, torch.zeros(3))
    with pytest.raises(TypeError):
        ops.add(x, "not a tensor")
    gone = weakref.ref(x)
    del x
    gc.collect()
    assert gone() is None


def test_the_native_side_keeps_what_it_holds():
    """A model's weights live as long as the model, and no longer."""
    config = C.VAEConfig()
    config.block_out_channels, config.norm_num_groups, config.layers_per_block = [8], 1, 1
    state = {name: torch.randn(shape) for name, shape in C.VAE.shapes(config).items()}
    model = C.VAE(state, config)
    expected = state["encoder.conv_in.bias"].clone()
    pointer = state["encoder.conv_in.bias"].data_ptr()
    del state
    gc.collect()
    held = model.parameters["encoder.conv_in.bias"]
    assert held.data_ptr() == pointer and torch.equal(held, expected)
    gone = weakref.ref(held)
    del held, model
    gc.collect()
    assert gone() is None


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="reads the resident size from /proc")
def test_memory_does_not_grow():
    """A leaked tensor would cost 64 KiB a call, a leaked handle some hundred bytes."""
    x = torch.randn(128, 128)

    def calls(count):
        for _ in range(count):
            ops.add(x, x)
            ops.chunk(x, 2, 0)

    calls(2_000)
    gc.collect()
    before = resident_bytes()
    calls(10_000)
    gc.collect()
    assert resident_bytes() - before < 2 * 1024 * 1024


def test_none_is_no_tensor_where_one_is_optional():
    x, weight = torch.randn(2, 3), torch.randn(4, 3)
    want = torch.nn.functional.linear(x, weight)
    assert torch.equal(ops.linear(x, weight, None), want)
    assert torch.equal(ops.linear(x, weight), want)


@pytest.mark.parametrize("wrong", [None, 1.0, "tensor", [1.0, 2.0], object(), torch.float32, torch.Tensor], ids=str)
def test_what_is_no_tensor_is_refused(wrong):
    with pytest.raises(TypeError, match="incompatible function arguments"):
        ops.silu(wrong)
    with pytest.raises(TypeError, match="incompatible function arguments"):
        ops.cat([torch.zeros(2), wrong], 0)


def test_numpy_is_refused():
    with pytest.raises(TypeError, match=r"torch\.Tensor"):
        ops.silu(torch.zeros(3).numpy())


@pytest.mark.skipif(torch.__version__ < "2.13", reason="the stable ABI passes torch's messages on from torch 2.13 on")
def test_out_of_memory_has_torchs_own_type():
    """ComfyUI and others recover from torch.OutOfMemoryError, and from nothing else."""
    with pytest.raises(torch.OutOfMemoryError):
        ops.full([1 << 30, 1 << 14], 0.0, torch.empty(()))
