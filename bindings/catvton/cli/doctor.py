"""catvton doctor: shows what `catvton.doctor` found; exit code 1 where something is missing or wrong."""

from __future__ import annotations

import argparse
import json
from typing import Any

from .table import gib, table

SIGNS = {"ok": "ok", "failed": "FAILED", "unsupported": "-"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print everything as JSON, for bug reports and scripts")


def run(args: argparse.Namespace) -> int:
    from ..doctor import examine

    report = examine()
    print(json.dumps(report, indent=2) if args.json else _text(report))
    return 0 if report["healthy"] else 1


def _text(report: dict[str, Any]) -> str:
    lines = [f"{name:10}{value}" for name, value in _facts(report)]
    rows = report["operators"]
    if rows:
        columns = list(rows[0]["results"])
        body = [
            [row["operator"], ", ".join(dict.fromkeys(row["implementations"].values()))]
            + [SIGNS[row["results"][column]] if column in row["results"] else "not checked" for column in columns]
            for row in rows
        ]
        lines += ["", table(["operator", "implementation", *columns], body)]
        lines += [f"{row['operator']}: {problem}" for row in rows for problem in row["problems"]]
    verdict = "Everything works." if report["healthy"] else report["problem"] or "Some operators compute wrongly."
    return "\n".join([*lines, "", verdict])


def _facts(report: dict[str, Any]) -> list[tuple[str, str]]:
    catvton, cpu, torch = report["catvton"], report["cpu"], report["torch"]
    binary = "not found"
    if catvton["binary"]:
        binary = f"{catvton['binary']} ({catvton['binary_bytes'] / 2**20:.1f} MiB"
        built = catvton["built_with_torch"]
        binary += f", version {catvton['binary_version']}, built with torch {built}, " if built else ", not loaded)"
        if built:
            architectures = " ".join(catvton["cuda_architectures"])
            binary += f"CUDA kernels for {architectures})" if architectures else "no CUDA kernels)"
    features = "unknown"
    if cpu["features"] is not None:
        features = ", ".join(name for name, present in cpu["features"].items() if present) or "none of interest"
    facts = [
        ("catvton", catvton["version"]),
        ("binary", binary),
        ("python", report["python"]),
        ("system", report["system"]),
        ("cpu", f"{cpu['model']}, {cpu['cores']} cores; {features}"),
        ("memory", gib(report["memory_bytes"]) if report["memory_bytes"] else "unknown"),
    ]
    if report["int8"] is not None:
        options = [option for option, works in report["int8"].items() if works]
        facts.append(("int8", ", ".join(options) or "no: that needs VNNI, and torch with oneDNN"))
    if torch is None:
        return [*facts, ("torch", "not found")]
    backend = (
        f"CUDA {torch['cuda']}" if torch["cuda"] else f"ROCm {torch['rocm']}" if torch["rocm"] else "no GPU support"
    )
    facts.append(("torch", f"{torch['version']}, {backend}, {torch['cpu_capability']}, {torch['threads']} threads"))
    for gpu in torch["gpus"]:
        facts.append(("gpu", f"{gpu['name']}, capability {gpu['capability']}, {gib(gpu['memory_bytes'])}"))
    return facts
