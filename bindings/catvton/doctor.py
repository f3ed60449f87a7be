"""What `catvton doctor` finds out: this machine, torch, the native module, and whether every operator computes rightly.

Each operator runs on small random numbers, on every device and in every dtype. The truth is torch's own function in
float64; an operator passes if its error is at most twice that of torch's own function in the same dtype, give or take
one rounding.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from . import __version__, _native

CPU_FEATURES = ("avx2", "avx512f", "avx512_bf16", "avx512_fp16", "avx_vnni", "avx512_vnni", "amx_bf16")
DTYPES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Check:
    operator: str
    shapes: tuple[tuple[int, ...], ...]
    ours: Callable[..., Any]  # (C.ops, *inputs)
    torchs: Callable[..., Any]  # (torch, *inputs)


def _in_eight_bits(x: Any) -> Any:
    import torch

    return x.to(torch.float8_e4m3fn)


def _step() -> Any:
    """A step in the middle of a stochastic run."""
    return _native.C.ddim_steps(_native.C.DDIMConfig(), 50, 1.0)[25]


def _stepped(step: Any, eps: Any, x: Any, noise: Any) -> Any:
    """DDIM's previous sample."""
    x0 = (x - step.sqrt_beta * eps) / step.sqrt_alpha
    return step.sqrt_alpha_prev * x0 + step.direction * eps + step.sigma * noise


CHECKS = [
    *(
        # the UNet's three sizes of a head and the VAE's; 77 is no multiple of any tile
        Check(
            "attention",
            ((2, 3, 77, size),) * 3,
            lambda ops, q, k, v: ops.attention(q, k, v),
            lambda torch, q, k, v: torch.nn.functional.scaled_dot_product_attention(q, k, v),
        )
        for size in (40, 80, 160, 512)
    ),
    Check(
        "linear",
        ((2, 7, 24), (16, 24), (16,)),
        lambda ops, *x: ops.linear(*x),
        lambda torch, *x: torch.nn.functional.linear(*x),
    ),
    Check(
        "conv2d",
        ((2, 8, 9, 7), (16, 8, 3, 3), (16,)),
        lambda ops, *x: ops.conv2d(*x, 2, 1),
        lambda torch, *x: torch.nn.functional.conv2d(*x, 2, 1),
    ),
    Check(
        "winograd_conv2d",
        ((2, 64, 9, 7), (64, 64, 3, 3), (64,), (2, 64, 9, 7)),
        lambda ops, *x: ops.winograd_conv2d(*x),
        lambda torch, x, w, b, residual: torch.nn.functional.conv2d(x, w, b, padding=1) + residual,
    ),
    Check(
        "winograd_upsample_conv2d",
        ((2, 64, 5, 4), (64, 64, 3, 3), (64,)),
        lambda ops, *x: ops.winograd_upsample_conv2d(*x),
        lambda torch, x, w, b: torch.nn.functional.conv2d(
            torch.nn.functional.interpolate(x, scale_factor=2), w, b, padding=1
        ),
    ),
    Check(
        "group_norm",
        ((2, 16, 9, 7), (16,), (16,)),
        lambda ops, x, w, b: ops.group_norm(x, 4, w, b, 1e-5),
        lambda torch, x, w, b: torch.nn.functional.group_norm(x, 4, w, b, 1e-5),
    ),
    Check(
        "batch_norm",
        ((2, 3, 5, 4), (3,), (3,), (3,), (3,)),
        lambda ops, x, w, b, mean, root: ops.batch_norm(x, w, b, mean, root * root, 1e-5),
        lambda torch, x, w, b, mean, root: torch.nn.functional.batch_norm(x, mean, root * root, w, b, eps=1e-5),
    ),
    Check(
        "var_mean",
        ((3, 5, 7),),
        lambda ops, x: ops.cat(list(ops.var_mean(x, 2)), 0),
        lambda torch, x: torch.cat(torch.var_mean(x, 2)),
    ),
    Check(
        "layer_norm",
        ((3, 5, 24), (24,), (24,)),
        lambda ops, x, w, b: ops.layer_norm(x, w, b, 1e-5),
        lambda torch, x, w, b: torch.nn.functional.layer_norm(x, (24,), w, b, 1e-5),
    ),
    Check(
        "fused_group_norm",
        ((2, 9, 7, 48), (2, 48), (48,), (48,)),
        lambda ops, x, shift, w, b: ops.fused_group_norm(x.permute(0, 3, 1, 2), shift, 4, w, b, 1e-5, True),
        lambda torch, x, shift, w, b: torch.nn.functional.silu(
            torch.nn.functional.group_norm(x.permute(0, 3, 1, 2) + shift[:, :, None, None], 4, w, b, 1e-5)
        ),
    ),
    Check(
        "geglu",
        ((3, 90),),
        lambda ops, x: ops.geglu(x),
        lambda torch, x: x.chunk(2, -1)[0] * torch.nn.functional.gelu(x.chunk(2, -1)[1]),
    ),
    Check(
        "add_and_norm",
        ((3, 77), (77,), (77,), (77,), (77,)),
        lambda ops, x, *affine: ops.add_and_norm(x, *affine, 1e-5)[1],
        lambda torch, x, w1, b1, w2, b2: torch.nn.functional.layer_norm(
            x + torch.nn.functional.layer_norm(x, (77,), w1, b1), (77,), w2, b2
        ),
    ),
    Check(
        "add_bias_and_residual",
        ((2, 48, 9, 7), (48,), (2, 48, 9, 7)),
        lambda ops, *x: ops.add_bias_and_residual(*x),
        lambda torch, y, bias, residual: y + bias[:, None, None] + residual,
    ),
    Check(
        "expand_float8",
        ((8, 3, 3, 16), (8, 1, 1, 1)),
        lambda ops, x, scale: ops.expand_float8(_in_eight_bits(x), scale.float(), x),
        lambda torch, x, scale: _in_eight_bits(x).to(x.dtype) * scale,
    ),
    Check(
        "guided_step",
        ((4, 4, 9, 7), (2, 4, 9, 7), (2, 4, 9, 7)),
        lambda ops, eps, x, noise: ops.guided_step(_step(), eps, 2.5, x.float(), noise.float())[1].to(eps.dtype),
        lambda torch, eps, x, noise: _stepped(_step(), eps[:2] + 2.5 * (eps[2:] - eps[:2]), x, noise),
    ),
    Check(
        "unet_input",
        ((2, 4, 10, 3), (2, 4, 5, 3), (2, 4, 5, 3), (2, 1, 5, 3)),
        lambda ops, *x: ops.unet_input(*(part.float() for part in x), False, x[0]),
        lambda torch, latents, person, garment, mask: torch.cat(
            [latents, torch.cat([mask, 0 * mask], 2), torch.cat([person, garment], 2)], 1
        ),
    ),
    Check("silu", ((3, 33),), lambda ops, x: ops.silu(x), lambda torch, x: torch.nn.functional.silu(x)),
    Check("gelu", ((3, 33),), lambda ops, x: ops.gelu(x), lambda torch, x: torch.nn.functional.gelu(x)),
    Check("exp", ((3, 33),), lambda ops, x: ops.exp(x), lambda torch, x: torch.exp(x)),
    Check("sin", ((3, 33),), lambda ops, x: ops.sin(x), lambda torch, x: torch.sin(x)),
    Check("cos", ((3, 33),), lambda ops, x: ops.cos(x), lambda torch, x: torch.cos(x)),
    Check("add", ((4, 9), (4, 9)), lambda ops, x, y: ops.add(x, y), lambda torch, x, y: x + y),
    Check("sub", ((4, 9), (4, 9)), lambda ops, x, y: ops.sub(x, y), lambda torch, x, y: x - y),
    Check("mul", ((4, 9), (4, 9)), lambda ops, x, y: ops.mul(x, y), lambda torch, x, y: x * y),
    Check("div", ((4, 9),), lambda ops, x: ops.div(x, 4.0), lambda torch, x: x / 4.0),
    Check("clamp", ((4, 9),), lambda ops, x: ops.clamp(x, -0.5, 0.5), lambda torch, x: x.clamp(-0.5, 0.5)),
    Check("less", ((4, 9),), lambda ops, x: ops.less(x, 0.5), lambda torch, x: x < 0.5),
    Check("cat", ((2, 3, 4), (2, 5, 4)), lambda ops, *x: ops.cat(list(x), 1), lambda torch, *x: torch.cat(x, 1)),
    Check("chunk", ((2, 6),), lambda ops, x: ops.chunk(x, 2, 1)[1], lambda torch, x: torch.chunk(x, 2, 1)[1]),
    Check("narrow", ((2, 6),), lambda ops, x: ops.narrow(x, 1, 2, 3), lambda torch, x: x.narrow(1, 2, 3)),
    Check("permute", ((2, 3, 4),), lambda ops, x: ops.permute(x, [2, 0, 1]), lambda torch, x: x.permute(2, 0, 1)),
    Check(
        "pad_zeros",
        ((1, 2, 3, 4),),
        lambda ops, x: ops.pad_zeros(x, [0, 1, 0, 1]),
        lambda torch, x: torch.nn.functional.pad(x, (0, 1, 0, 1)),
    ),
    Check(
        "resize_nearest",
        ((1, 2, 5, 3),),
        lambda ops, x: ops.resize_nearest(x, 9, 6),
        lambda torch, x: torch.nn.functional.interpolate(x, (9, 6)),
    ),
]


def _int8() -> dict[str, bool]:
    """Which approximations in eight bits this CPU can compute."""
    import torch

    return {
        "weights_dtype": _native.C.int8.works(),
        "int8_scores": _native.C.ops.attends_in_int8(torch.empty(0)),
    }


def examine() -> dict[str, Any]:
    """Everything `catvton doctor` shows, ready for JSON. "healthy" is False where something is missing or wrong."""
    reason = _native.unavailable_reason()
    operators = [] if reason else check_operators(_native.C.ops)
    return {
        "healthy": reason is None and all("failed" not in row["results"].values() for row in operators),
        "problem": reason,
        "catvton": _catvton(),
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu(),
        "int8": None if reason else _int8(),
        "memory_bytes": _memory(),
        "torch": _torch(),
        "operators": operators,
    }


def check_operators(ops: Any, checks: list[Check] = CHECKS) -> list[dict[str, Any]]:
    """A row for each operator: its name, and by "device dtype" what computes it and the result: ok, failed, or
    unsupported (torch itself cannot do it there). `ops` is `C.ops`, or something with the same functions."""
    import torch

    rows: dict[str, dict[str, Any]] = {}
    for device in devices():
        with torch.inference_mode():  # where gradients are recorded, ATen's operators run
            like = {dtype: torch.empty(0, device=device, dtype=getattr(torch, dtype)) for dtype in DTYPES}
            own = {dtype: _native.C.ops.implementations(like[dtype]) for dtype in DTYPES}
        for name in {check.operator: None for check in checks} | dict.fromkeys(own[DTYPES[0]]):
            row = rows.setdefault(name, {"operator": name, "implementations": {}, "results": {}, "problems": []})
            row["implementations"] |= {f"{device} {dtype}": own[dtype].get(name, "ATen") for dtype in DTYPES}
        for check in checks:
            for dtype in DTYPES:
                row, column = rows[check.operator], f"{device} {dtype}"
                problem = _problem(check, ops, device, getattr(torch, dtype))
                if problem:
                    row["problems"].append(f"{column}: {problem}")
                result = "ok" if problem is None else "failed" if problem else "unsupported"
                if row["results"].get(column) != "failed":  # of several checks of an operator, the worst counts
                    row["results"][column] = result
    return list(rows.values())


def devices() -> list[str]:
    """Every device on which the engine can run here."""
    import torch

    found = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
    found += ["mps"] if torch.backends.mps.is_available() else []
    found += ["xpu"] if hasattr(torch, "xpu") and torch.xpu.is_available() else []
    return found


def _problem(check: Check, ops: Any, device: str, dtype: Any) -> str | None:
    """None: it passed. Empty: torch itself cannot do this here. Otherwise what is wrong."""
    import torch

    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(shape, generator=generator).to(dtype) for shape in check.shapes]
    there = [tensor.to(device) for tensor in inputs]
    with torch.inference_mode():
        exact = check.torchs(torch, *(tensor.double() for tensor in inputs))
        try:
            theirs = check.torchs(torch, *there)
        except (RuntimeError, NotImplementedError):
            return ""
        try:
            ours = check.ours(ops, *there)
        except (RuntimeError, ValueError) as error:
            return str(error).splitlines()[0]
    if (ours.shape, ours.dtype, ours.device) != (theirs.shape, theirs.dtype, theirs.device):
        return f"{list(ours.shape)} {ours.dtype} {ours.device}, expected {list(theirs.shape)} {theirs.dtype}"
    exact = exact.double()
    error, allowed = ((result.cpu().double() - exact).abs().max().item() for result in (ours, theirs))
    allowed = 2 * allowed + torch.finfo(dtype).eps * exact.abs().max().item()
    return None if error <= allowed else f"error {error:.2g}, at most {allowed:.2g} expected"


def _catvton() -> dict[str, Any]:
    spec = find_spec("._C", __package__)
    binary = Path(spec.origin).resolve() if spec and spec.origin else None
    loaded = _native.unavailable_reason() is None
    return {
        "version": __version__,
        "binary": str(binary) if binary else None,
        "binary_version": _native.C.__version__ if loaded else None,
        "binary_bytes": binary.stat().st_size if binary else None,
        "built_with_torch": _native.C.__built_with_torch__ if loaded else None,
        "cuda_architectures": _native.C.__cuda_architectures__.split() if loaded else None,
    }


def _torch() -> dict[str, Any] | None:
    try:
        import torch
    except (ImportError, OSError):  # OSError: a library of torch's is missing or broken
        return None
    properties = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return {
        "version": torch.__version__,
        "cuda": torch.version.cuda,
        "rocm": torch.version.hip,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpus": [
            {"name": gpu.name, "capability": f"{gpu.major}.{gpu.minor}", "memory_bytes": gpu.total_memory}
            for gpu in properties
        ],
    }


def _cpu() -> dict[str, Any]:
    """The model and, where /proc/cpuinfo tells (Linux on x86), which of CPU_FEATURES it has; None where unknown."""
    fields: dict[str, str] = {}
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text(errors="replace").split("\n\n")[0].splitlines()
        fields = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = fields.get("flags", "").split()
    return {
        "model": fields.get("model name") or platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "features": {name: name in flags for name in CPU_FEATURES} if flags else None,
    }


def _memory() -> int | None:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return None
