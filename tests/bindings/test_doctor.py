"""Does the doctor see what is there, and does it notice an operator that computes wrongly?"""

import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from catvton import doctor  # noqa: E402
from catvton._native import C  # noqa: E402


class Sabotaged:
    """The engine's operators, one of them replaced."""

    def __init__(self, name, function):
        self._name, self._function = name, function

    def __getattr__(self, name):
        return self._function if name == self._name else getattr(C.ops, name)


def row_of(rows, operator):
    return next(row for row in rows if row["operator"] == operator)


def test_every_operator_passes_here():
    report = doctor.examine()
    assert report["healthy"] and report["problem"] is None
    checked = {row["operator"] for row in report["operators"]}
    assert checked >= set(C.ops.implementations(torch.empty(0)))
    for row in report["operators"]:
        assert row["results"]["cpu float32"] == "ok" and not row["problems"], row


def test_every_wrapped_operator_has_a_check():
    helpers = {
        "full",
        "zeros_like",
        "to_dtype_of",
        "to_like",
        "describe",
        "implementations",
        "cpu_level",
        "set_cpu_level",
        "emulate_cuda",
        "attends_in_int8",
        "winograd_repack",
    }
    wrapped = {name for name in dir(C.ops) if not name.startswith("_")} - helpers
    assert wrapped == {check.operator for check in doctor.CHECKS}


@pytest.mark.parametrize(
    "operator, wrong",
    [
        ("gelu", lambda x: torch.nn.functional.gelu(x, approximate="tanh")),
        ("attention", lambda q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v, scale=0.15)),
        ("group_norm", lambda x, groups, w, b, eps: torch.nn.functional.group_norm(x, groups, w, b, 1e-2)),
        ("resize_nearest", lambda x, h, w: torch.nn.functional.interpolate(x, (h, w), mode="nearest-exact")),
        ("narrow", lambda x, dim, start, length: x.narrow(dim, start, length - 1)),
    ],
)
def test_a_wrong_operator_is_found_and_no_other_is_blamed(operator, wrong):
    rows = doctor.check_operators(Sabotaged(operator, wrong))
    assert row_of(rows, operator)["results"]["cpu float32"] == "failed"
    assert row_of(rows, operator)["problems"]
    assert all("failed" not in row["results"].values() for row in rows if row["operator"] != operator)


def test_an_operator_that_raises_is_reported_with_its_message():
    def broken(x):
        raise RuntimeError("no kernel image is available")

    row = row_of(doctor.check_operators(Sabotaged("silu", broken)), "silu")
    assert row["results"]["cpu float32"] == "failed"
    assert "no kernel image" in row["problems"][0]


@pytest.mark.parametrize("missing", ["torch", "catvton._C"])
def test_without_torch_or_the_binary_it_says_why_and_exits_1(missing):
    hide = f"import sys; sys.modules[{missing!r}] = None; from catvton.cli import main; sys.exit(main(['doctor']))"
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    assert not done.stderr
    assert ("importing torch failed" if missing == "torch" else "native module could not be loaded") in done.stdout
    assert "python" in done.stdout and "memory" in done.stdout
