"""Checkpoints: everything a run needs to go on as if it had never stopped, in one file that is whole or not there.

Randomness is a function of seed and position (randomness.py), so the step is all there is to say about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ..atomic import replacing

KEPT = 2  # newest files that stay


@dataclass
class Checkpoint:
    step: int  # steps done
    course: dict[str, Any]  # what the run's numbers depend on: model, data, options
    weights: dict[str, torch.Tensor]  # the trained ones only
    optimizer: dict[str, Any]
    ema: dict[str, torch.Tensor] | None


def save(folder: str | Path, checkpoint: Checkpoint) -> Path:
    """Raises OSError where it cannot be written; the checkpoints before it are as they were."""
    folder = Path(folder)
    path = folder / f"step-{checkpoint.step:08d}.pt"
    with replacing(path) as temporary:
        try:
            torch.save(vars(checkpoint), temporary)
        except RuntimeError as error:  # what torch makes of a full disk
            reason = f"{error}".split("\n")[0]
            raise OSError(
                f"{path} could not be written ({reason}): is the disk full? Earlier ones are whole."
            ) from error
    for old in checkpoints(folder)[:-KEPT]:
        old.unlink()
    return path


def checkpoints(folder: str | Path) -> list[Path]:
    """Oldest first."""
    return sorted(Path(folder).glob("step-*.pt"))


def drop_unfinished(folder: str | Path) -> None:
    """Removes what killed writes left behind; only for a run's one writer."""
    for part in Path(folder).glob(".step-*.pt"):
        part.unlink()


def load(path: Path, course: dict[str, Any], weights: dict[str, torch.Tensor]) -> Checkpoint:
    """Reads `path` for a run of `course` that trains `weights`; ValueError where it is of another run or unreadable."""
    try:
        found = Checkpoint(**torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # a damaged pickle fails in any way
        reason = f"{type(error).__name__}: {error}".split("\n")[0]
        raise ValueError(
            f"{path} cannot be read as a checkpoint of a training run ({reason}). Delete it to go on from the one "
            "before it, if there is one."
        ) from error
    problems = [
        f"{name} was {found.course.get(name)!r}, is {course.get(name)!r}"
        for name in sorted(found.course.keys() | course.keys())
        if found.course.get(name) != course.get(name)
    ]
    shapes = {name: list(weight.shape) for name, weight in weights.items()}
    stored = {name: list(weight.shape) for name, weight in found.weights.items()}
    different = [name for name in shapes.keys() | stored.keys() if shapes.get(name) != stored.get(name)]
    if different:
        name = sorted(different)[0]
        problems.append(
            f"{len(different)} trained weights differ, for instance {name}: {stored.get(name)} there, "
            f"{shapes.get(name)} here"
        )
    if problems:
        listed = "".join(f"\n  {problem}" for problem in problems)
        raise ValueError(f"{path} is of another run:{listed}\nUse the options that it was made with, or another --out.")
    return found
