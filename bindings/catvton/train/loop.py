"""The training loop: whatever a task's loss is, it becomes steps, a log, and checkpoints that survive a kill."""

from __future__ import annotations

import csv
import math
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from tqdm import tqdm

from ..atomic import replacing
from . import checkpoint as checkpoints
from .distributed import Processes
from .ema import EMA
from .optimizers import make_optimizer

COLUMNS = ("step", "loss", "learning_rate", "gradient_norm", "seconds")


@dataclass(frozen=True)
class LoopOptions:
    steps: int
    batch_size: int = 1  # of one process and one pass; a step sees batch_size * accumulate * processes samples
    accumulate: int = 1
    optimizer: str = "adamw"  # or "muon"
    learning_rate: float = 1e-5
    schedule: str = "constant"  # or "cosine", to zero at the last step
    warmup: int = 0  # steps
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 1e-2
    clip: float | None = 1.0  # norm of the gradient
    ema: float | None = None
    seed: int = 0

    def __post_init__(self):
        for name in ("steps", "batch_size", "accumulate"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be 1 or more, got {getattr(self, name)}")
        if self.schedule not in ("constant", "cosine"):
            raise ValueError(f"schedule {self.schedule!r}: expected constant or cosine")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")

    def rate(self, step: int) -> float:
        """The learning rate of step 0, 1, ..."""
        rate = self.learning_rate * min(1.0, (step + 1) / (self.warmup + 1))
        return rate if self.schedule == "constant" else rate * 0.5 * (1 + math.cos(math.pi * step / self.steps))


@dataclass(frozen=True)
class Upkeep:
    """What a run leaves behind and when; none of it changes its numbers."""

    out: Path
    save_every: int = 500
    sheet_every: int = 0  # 0: never
    max_minutes: float | None = None  # then a checkpoint is written and the run stops, to be resumed
    resume: bool = False
    progress: bool = True


class Task(Protocol):
    weights: dict[str, torch.Tensor]  # trained, float32 leaves
    course: dict[str, Any]  # what its numbers depend on

    def loss(self, positions: range) -> torch.Tensor:
        """Mean loss of the samples at these positions of the run."""

    def sheet(self, path: Path) -> None:
        """Draws what the model can do now."""

    def export(self, folder: Path) -> None:
        """Writes the trained model as the engine reads it."""


def train(task: Task, options: LoopOptions, upkeep: Upkeep, processes: Processes | None = None) -> int:
    """Trains `task` to options.steps or until told to stop; returns the steps done.

    Resumed, the run ends with the same weights, to the bit, as one that was never stopped (same device, threads and
    number of processes). SIGINT and SIGTERM end it after the step at hand, with a checkpoint.
    """
    return _Run(task, options, upkeep, processes or Processes()).go()


class _Run:
    def __init__(self, task: Task, options: LoopOptions, upkeep: Upkeep, processes: Processes):
        self.task, self.options, self.upkeep, self.processes = task, options, upkeep, processes
        self.folder = upkeep.out / "checkpoints"
        self.leaves = list(task.weights.values())
        self.optimizer = make_optimizer(
            options.optimizer, self.leaves, options.learning_rate, options.betas, options.weight_decay
        )
        self.ema = EMA(task.weights, options.ema) if options.ema is not None else None
        self.course = {**asdict(options), **task.course, "processes": processes.world}
        if options.schedule == "constant":
            del self.course["steps"]  # such a run may be made longer
        self.step = self._resume()

    def go(self) -> int:
        options, upkeep = self.options, self.upkeep
        if self.step == options.steps:
            self._export()  # the run may have been killed between its last checkpoint and this
        began = time.monotonic()
        with _StopSignals() as stopped, _Log(upkeep.out / "log.csv", self.step, self.processes.is_first) as log:
            hidden = not (upkeep.progress and self.processes.is_first)
            with tqdm(total=options.steps, initial=self.step, unit="step", disable=hidden) as bar:
                while self.step < options.steps:
                    before = time.monotonic()
                    wants_stop = stopped() or self._is_over(before - began)
                    loss, norm, stop = self._step(wants_stop)
                    log.add(self.step, loss, options.rate(self.step - 1), norm, time.monotonic() - before)
                    bar.update()
                    bar.set_postfix(loss=f"{loss:.4f}")
                    if stop or self.step == options.steps or self.step % upkeep.save_every == 0:
                        log.flush()
                        self._save()
                    if upkeep.sheet_every and self.step % upkeep.sheet_every == 0:
                        self._as_exported(lambda: self.task.sheet(upkeep.out / "sheets" / f"step-{self.step:08d}.png"))
                    if stop:
                        break
        return self.step

    def _step(self, wants_stop: bool) -> tuple[float, float, bool]:
        """One step; loss and stop are agreed on by all processes."""
        options, world = self.options, self.processes.world
        total = torch.zeros(2)
        first = self.step * options.accumulate * world * options.batch_size
        for part in range(options.accumulate):
            start = first + (part * world + self.processes.rank) * options.batch_size
            loss = self.task.loss(range(start, start + options.batch_size)) / options.accumulate
            loss.backward()
            total[0] += loss.detach().cpu()
        total[1] = float(wants_stop)
        gradients = [leaf.grad for leaf in self.leaves]
        total = total.to(self.leaves[0].device)
        self.processes.average([*gradients, total])
        loss, stop = float(total[0]), float(total[1]) > 0
        norm = float(torch.nn.utils.clip_grad_norm_(self.leaves, options.clip or math.inf))
        if not math.isfinite(loss + norm):
            raise FloatingPointError(
                f"step {self.step + 1}: loss {loss}, gradient norm {norm}. The last checkpoint is as it was; lower "
                "the learning rate, or train in float32"
            )
        for group in self.optimizer.param_groups:
            group["lr"] = options.rate(self.step)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        if self.ema:
            self.ema.update(self.step)
        return loss, norm, stop

    def _is_over(self, seconds: float) -> bool:
        return self.upkeep.max_minutes is not None and seconds > 60 * self.upkeep.max_minutes

    def _resume(self) -> int:
        if self.processes.is_first:
            checkpoints.drop_unfinished(self.folder)
        found = checkpoints.checkpoints(self.folder)
        if not found:
            return 0
        if not self.upkeep.resume:
            raise ValueError(f"{self.upkeep.out} holds a run already: go on with --resume, or name another --out")
        state = checkpoints.load(found[-1], self.course, self.task.weights)
        with torch.no_grad():
            for name, weight in self.task.weights.items():
                weight.copy_(state.weights[name])
            if self.ema:
                for name, shadow in self.ema.shadows.items():
                    shadow.copy_(state.ema[name])
        self.optimizer.load_state_dict(state.optimizer)
        return state.step

    def _save(self) -> None:
        if not self.processes.is_first:
            return
        state = checkpoints.Checkpoint(
            step=self.step,
            course=self.course,
            weights={name: weight.detach() for name, weight in self.task.weights.items()},
            optimizer=self.optimizer.state_dict(),
            ema=self.ema.shadows if self.ema else None,
        )
        checkpoints.save(self.folder, state)
        self._export()

    def _export(self) -> None:
        self._as_exported(lambda: self.task.export(self.upkeep.out))

    def _as_exported(self, action: Callable[[], None]) -> None:
        """Runs `action`, in the first process, on the averaged weights if there are any."""
        if not self.processes.is_first:
            return
        if self.ema is None:
            return action()
        with self.ema.applied():
            action()


class _Log:
    """log.csv: a row a step. Rows after the step that is resumed from are dropped: those steps are done again."""

    def __init__(self, path: Path, step: int, active: bool):
        self.path, self.step, self.active = path, step, active
        self.file = None

    def __enter__(self) -> _Log:
        if self.active:
            rows = []
            if self.path.is_file() and self.step:
                with open(self.path, newline="", encoding="utf-8") as file:
                    rows = [row for row in csv.reader(file) if row and row[0].isdigit() and int(row[0]) <= self.step]
            with replacing(self.path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([COLUMNS, *rows])
            self.file = open(self.path, "a", newline="", encoding="utf-8")
        return self

    def add(self, step: int, loss: float, rate: float, norm: float, seconds: float) -> None:
        if self.file:
            csv.writer(self.file).writerow([step, f"{loss:.6g}", f"{rate:.6g}", f"{norm:.6g}", f"{seconds:.3f}"])

    def flush(self) -> None:
        if self.file:
            self.file.flush()

    def __exit__(self, *_) -> None:
        if self.file:
            self.file.close()


class _StopSignals:
    """Whether SIGINT or SIGTERM arrived; a second one acts as it always does."""

    def __enter__(self) -> Callable[[], bool]:
        self.received = False
        self.before = {}
        for number in (signal.SIGINT, signal.SIGTERM):
            try:
                self.before[number] = signal.signal(number, self._receive)
            except ValueError:  # not in the main thread: signals stay the caller's
                break
        return lambda: self.received

    def _receive(self, number, frame) -> None:
        self.received = True
        signal.signal(number, self.before[number])

    def __exit__(self, *_) -> None:
        for number, handler in self.before.items():
            signal.signal(number, handler)
