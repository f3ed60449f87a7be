"""Every wrapped ATen operator against torch's own: the same kernel runs, so results are equal bit for bit.

Each case holds the tensors' shapes, the other arguments, the native call and torch's. It runs in three dtypes, inside
and outside inference mode (a boxed call can work in one and fail in the other), on `meta`, and backwards where it
trains. Our own kernels, which compute otherwise, are off here; they have tests of their own.
"""

from dataclasses import dataclass
from typing import Any

import pytest
import torch
import torch.nn.functional as F

from catvton._native import C

ops = C.ops
DTYPES = (torch.float32, torch.bfloat16, torch.float16)


@dataclass
class Case:
    name: str
    shapes: list[tuple[int, ...]]  # of the tensors, which come first
    values: tuple  # the arguments after them
    native: Any
    torch: Any
    gradients: bool = True


def clamp_between(x, low, high):
    """With bounds as tensors: the values are those of clamp with numbers, the gradient on a bound itself is not."""
    bounds = [torch.tensor(bound, dtype=x.dtype, device=x.device) for bound in (low, high)]
    assert x.device.type == "meta" or torch.equal(x.clamp(*bounds), x.clamp(low, high))
    return x.clamp(*bounds)


CASES = [
    Case("add", [(3, 5, 7), (3, 5, 7)], (), ops.add, torch.add),
    Case("add broadcast", [(3, 5, 7, 2), (3, 5, 1, 1)], (), ops.add, torch.add),
    Case("add 0-dim", [(3, 5), ()], (), ops.add, torch.add),
    Case("add empty", [(0, 5), (0, 5)], (), ops.add, torch.add),
    Case("sub", [(3, 5, 7), (5, 7)], (), ops.sub, torch.sub),
    Case("mul", [(3, 5, 7), (3, 1, 7)], (), ops.mul, torch.mul),
    Case("mul by a number", [(3, 5, 7)], (0.18215,), ops.mul, lambda x, f: x * torch.tensor(f, device=x.device)),
    Case("div", [(3, 5, 7)], (0.18215,), ops.div, lambda x, f: x / torch.tensor(f, device=x.device)),
    Case(
        "var_mean",
        [(3, 5, 7)],
        (2,),
        lambda x, dim: torch.cat(ops.var_mean(x, dim)),
        lambda x, dim: torch.cat(torch.var_mean(x, dim)),
    ),
    Case(
        "batch_norm",
        [(2, 3, 5, 4), (3,), (3,), (3,), (3,)],
        (1e-6,),
        lambda x, w, b, mean, root, eps: ops.batch_norm(x, w, b, mean, root * root, eps),
        lambda x, w, b, mean, root, eps: F.batch_norm(x, mean, root * root, w, b, eps=eps),
        gradients=False,
    ),
    Case("clamp", [(3, 5, 7)], (-0.5, 0.25), ops.clamp, clamp_between),
    Case("exp", [(3, 5, 7)], (), ops.exp, torch.exp),
    Case("sin", [(3, 5, 7)], (), ops.sin, torch.sin),
    Case("cos", [(3, 5, 7)], (), ops.cos, torch.cos),
    Case("less", [(3, 5, 7)], (0.5,), ops.less, torch.lt, gradients=False),
    Case("zeros_like", [(3, 5, 7)], (), ops.zeros_like, torch.zeros_like, gradients=False),
    Case("cat", [(3, 5, 7), (3, 2, 7)], (), lambda x, y: ops.cat([x, y], 1), lambda x, y: torch.cat([x, y], 1)),
    Case("cat from the end", [(3, 5, 7)], (), lambda x: ops.cat([x, x, x], -1), lambda x: torch.cat([x, x, x], -1)),
    Case("chunk", [(3, 7, 5)], (3, 1), ops.chunk, torch.chunk),
    Case("chunk from the end", [(3, 7, 6)], (2, -1), ops.chunk, torch.chunk),
    Case("narrow", [(3, 7, 5)], (1, 2, 4), ops.narrow, torch.narrow),
    Case("permute", [(3, 7, 5, 2)], ([0, 2, 3, 1],), ops.permute, torch.permute),
    Case("pad_zeros", [(2, 3, 5, 7)], ([0, 1, 0, 1],), ops.pad_zeros, F.pad),
    Case("pad_zeros unevenly", [(2, 3, 5, 7)], ([3, 0, 2, 1],), ops.pad_zeros, F.pad),
    Case("resize_nearest up", [(2, 3, 5, 7)], (10, 13), ops.resize_nearest, lambda x, h, w: F.interpolate(x, (h, w))),
    Case("resize_nearest down", [(2, 3, 17, 13)], (5, 4), ops.resize_nearest, lambda x, h, w: F.interpolate(x, (h, w))),
    Case("linear", [(2, 9, 33), (17, 33), (17,)], (), ops.linear, F.linear),
    Case("linear without bias", [(2, 9, 33), (17, 33)], (), ops.linear, F.linear),
    Case("linear of a vector", [(33,), (17, 33), (17,)], (), ops.linear, F.linear),
    Case("conv2d 3x3", [(2, 5, 9, 7), (6, 5, 3, 3), (6,)], (1, 1), ops.conv2d, F.conv2d),
    Case("conv2d stride 2", [(2, 5, 9, 7), (6, 5, 3, 3), (6,)], (2, 0), ops.conv2d, F.conv2d),
    Case("conv2d 1x1", [(2, 5, 9, 7), (6, 5, 1, 1), (6,)], (1, 0), ops.conv2d, F.conv2d),
    Case("conv2d of one pixel", [(1, 5, 1, 1), (6, 5, 3, 3), (6,)], (1, 1), ops.conv2d, F.conv2d),
    Case(
        "group_norm",
        [(2, 6, 5, 7), (6,), (6,)],
        (3, 1e-5),
        lambda x, w, b, groups, eps: ops.group_norm(x, groups, w, b, eps),
        lambda x, w, b, groups, eps: F.group_norm(x, groups, w, b, eps),
    ),
    Case(
        "group_norm of tokens",
        [(2, 6, 35), (6,), (6,)],
        (1, 1e-6),
        lambda x, w, b, groups, eps: ops.group_norm(x, groups, w, b, eps),
        lambda x, w, b, groups, eps: F.group_norm(x, groups, w, b, eps),
    ),
    Case(
        "layer_norm",
        [(2, 9, 33), (33,), (33,)],
        (1e-5,),
        ops.layer_norm,
        lambda x, w, b, eps: F.layer_norm(x, w.shape, w, b, eps),
    ),
    Case("silu", [(3, 5, 7)], (), ops.silu, F.silu),
    Case("gelu", [(3, 5, 7)], (), ops.gelu, F.gelu),
    Case("attention", [(2, 3, 17, 40)] * 3, (), ops.attention, F.scaled_dot_product_attention),
    Case("attention, one token", [(1, 1, 1, 8)] * 3, (), ops.attention, F.scaled_dot_product_attention),
    Case("attention, long", [(1, 2, 300, 80)] * 3, (), ops.attention, F.scaled_dot_product_attention),
]


@pytest.fixture(autouse=True)
def aten_only():
    ops.set_cpu_level("aten")
    yield
    ops.set_cpu_level("auto")


by_name = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def tensors(case, dtype, device="cpu"):
    return [torch.randn(shape).to(dtype).to(device) for shape in case.shapes]


def as_list(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


def assert_same(got, want):
    assert len(as_list(got)) == len(as_list(want))
    for ours, theirs in zip(as_list(got), as_list(want), strict=True):
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape and ours.device == theirs.device
        assert ours.is_inference() == theirs.is_inference()
        if theirs.device.type != "meta":
            assert torch.equal(ours, theirs)


def test_every_operator_has_a_case():
    bound = {name for name in dir(ops) if not name.startswith("_")}
    elsewhere = {"full", "to_dtype_of", "to_like", "describe", "implementations"}  # below
    elsewhere |= {"cpu_level", "set_cpu_level", "emulate_cuda", "attends_in_int8"}
    fused = {"fused_group_norm", "geglu", "add_and_norm", "add_bias_and_residual", "expand_float8"}  # test_fused.py
    fused |= {"guided_step", "unet_input"}  # tests/sampling, tests/tryon
    fused |= {"winograd_conv2d", "winograd_upsample_conv2d", "winograd_repack"}  # test_winograd.py
    assert bound == {case.name.replace(",", "").split()[0] for case in CASES} | elsewhere | fused


@by_name
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("inference", [False, True], ids=["autograd", "inference"])
def test_equals_torch(case, dtype, inference):
    arguments = tensors(case, dtype)
    with torch.inference_mode(inference):
        assert_same(case.native(*arguments, *case.values), case.torch(*arguments, *case.values))


@by_name
def test_inference_tensors_are_taken(case):
    """What inference mode made goes in as well as what it did not make."""
    with torch.inference_mode():
        arguments = tensors(case, torch.float32)
        assert_same(case.native(*arguments, *case.values), case.torch(*arguments, *case.values))


@by_name
def test_shape_on_meta(case):
    arguments = tensors(case, torch.bfloat16, "meta")
    assert_same(case.native(*arguments, *case.values), case.torch(*arguments, *case.values))


@pytest.mark.parametrize("case", [case for case in CASES if case.gradients], ids=lambda case: case.name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_gradients_equal_torch(case, dtype):
    arguments = tensors(case, dtype)

    def gradients(function):
        leaves = [argument.clone().requires_grad_() for argument in arguments]
        results = as_list(function(*leaves, *case.values))
        sum((result * torch.linspace(-1, 1, result.numel()).view_as(result)).sum() for result in results).backward()
        return [leaf.grad for leaf in leaves]

    assert_same(gradients(case.native), gradients(case.torch))


@by_name
def test_strided_arguments(case):
    """Views whose elements are not in a row: every dimension's order is turned round in memory."""

    def turned(x):
        order = tuple(reversed(range(x.dim())))
        return x.permute(order).contiguous().permute(order)

    arguments = [turned(x) for x in tensors(case, torch.float32)]
    assert_same(case.native(*arguments, *case.values), case.torch(*arguments, *case.values))


def test_gelu_is_not_the_tanh_approximation():
    x = torch.linspace(-6, 6, 1001)
    assert torch.equal(ops.gelu(x), F.gelu(x, approximate="none"))
    exact = 0.5 * x.double() * (1 + torch.erf(x.double() / 2**0.5))
    assert (ops.gelu(x) - exact).abs().max() < 1e-6
    assert (F.gelu(x, approximate="tanh") - exact).abs().max() > 4e-4


def test_attention_is_softmax_of_scaled_products():
    q, k, v = torch.randn(3, 2, 3, 11, 40)
    scores = torch.softmax(q.double() @ k.double().transpose(-1, -2) / 40**0.5, dim=-1)
    torch.testing.assert_close(ops.attention(q, k, v).double(), scores @ v.double(), rtol=0, atol=2e-6)


def test_attention_of_another_number_of_keys():
    q, (k, v) = torch.randn(2, 3, 11, 40), torch.randn(2, 2, 3, 5, 40)
    assert torch.equal(ops.attention(q, k, v), F.scaled_dot_product_attention(q, k, v))


@pytest.mark.parametrize("size", [(9, 6), (34, 26), (17, 13), (1, 1)])
def test_resize_nearest_takes_the_pixel_at_the_floor(size):
    x = torch.arange(17 * 13.0).view(1, 1, 17, 13)
    rows = [i * 17 // size[0] for i in range(size[0])]
    columns = [i * 13 // size[1] for i in range(size[1])]
    assert torch.equal(ops.resize_nearest(x, *size)[0, 0], x[0, 0][rows][:, columns])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_full(dtype, device):
    like = torch.empty((), dtype=dtype, device=device)
    assert_same(ops.full([2, 3], 0.1, like), torch.full((2, 3), 0.1, dtype=dtype, device=device))
    assert_same(ops.full([], -7.0, like), torch.full((), -7.0, dtype=dtype, device=device))


def test_conversions():
    x = torch.randn(3, 5)
    half, meta = torch.empty((), dtype=torch.float16), torch.empty((), dtype=torch.bfloat16, device="meta")
    assert_same(ops.to_dtype_of(x, half), x.half())
    assert_same(ops.to_like(x, meta), x.to(meta))
    assert ops.to_dtype_of(x, x).data_ptr() == x.data_ptr()  # nothing to change, nothing copied
    assert ops.to_like(x, x).data_ptr() == x.data_ptr()
    leaf = x.clone().requires_grad_()
    ops.to_dtype_of(leaf, half).float().sum().backward()
    assert torch.equal(leaf.grad, torch.ones_like(x))


@pytest.mark.parametrize(
    "view", [lambda x: ops.narrow(x, 0, 1, 2), lambda x: ops.permute(x, [1, 0]), lambda x: ops.chunk(x, 2, 0)[0]]
)
def test_views_share_memory(view):
    x = torch.zeros(4, 3)
    view(x).fill_(1)
    assert x.any()


def test_describe():
    assert ops.describe(torch.zeros(2, 9, dtype=torch.bfloat16)) == "bfloat16 [2, 9] on cpu"
    assert ops.describe(torch.zeros((), dtype=torch.int64, device="meta")) == "int64 [] on meta"


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: ops.linear(torch.zeros(2, 3), torch.zeros(4, 5)), "mat1 and mat2|linear"),
        (lambda: ops.add(torch.zeros(2), torch.zeros(3)), "size of tensor|subtract|sub"),
        (lambda: ops.cat([torch.zeros(2, 2), torch.zeros(3, 3)], 0), "Sizes of tensors|cat"),
    ],
)
def test_torchs_errors_arrive(call, message):
    if torch.__version__ < "2.13":
        message = "API call failed"  # the stable ABI passes torch's messages on from torch 2.13 on
    with pytest.raises(RuntimeError, match=message):
        call()
