"""What an evaluation found, as text."""

from __future__ import annotations

from typing import Any

from ..cli.table import table
from .cases import PAIRINGS
from .measure import MEASURES
from .run import PICTURES

UNITS = {
    "ssim": "SSIM, 1 is equal",
    "psnr": "PSNR, dB",
    "lpips": "LPIPS, 0 is equal",
    "colour": "CIEDE2000 on the garment, 0 is equal",
    "texture": "texture agreement on the garment, 1 is equal",
    "swap": "nearer to its truth than to another garment (chance 0.5)",
    "not_worn": "nearer to its truth than to what was worn (chance 0.5)",
    "fid": "FID, 0 is equal",
    "kid": "KID, 0 is equal",
    "kid_deviation": "KID's standard deviation",
}


def text(report: dict[str, Any]) -> str:
    """The report of `evaluate` as tables: a column for each pairing, with and without paste-back; then by fabric."""
    sets = [(pairing, picture) for pairing in PAIRINGS if pairing in report for picture in PICTURES]
    head = ["", *(f"{pairing}, {picture.replace('_', ' ')}" for pairing, picture in sets)]
    rows = [["cases", *(str(report[pairing][picture]["cases"]) for pairing, picture in sets)]]
    for name in (*MEASURES, "fid", "kid", "kid_deviation"):
        values = [report[pairing][picture].get(name) for pairing, picture in sets]
        if any(value is not None for value in values):
            rows.append([UNITS[name], *("-" if value is None else f"{value:.4g}" for value in values)])
    blocks = [table(head, rows)]
    for pairing in PAIRINGS:
        if kinds := report.get(pairing, {}).get("by_fabric"):
            body = [
                [kind, str(found["cases"]), *(f"{found[n]:.4g}" if n in found else "-" for n in ("colour", "texture"))]
                for kind, found in kinds.items()
            ]
            blocks.append(table([f"{pairing}, pasted back", "cases", "CIEDE2000", "texture agreement"], body))
    blocks += [f"{name} is left out: {reason}" for name, reason in report["left_out"].items()]
    return "\n\n".join(blocks)
