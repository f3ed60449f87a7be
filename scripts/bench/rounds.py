"""Two ways to do one thing, timed in turns: what a busy machine does to one it does to the other."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class Row:
    what: str
    peer: str
    ours: float  # seconds, median of the rounds
    theirs: float
    ratio: float  # theirs / ours, median of the rounds' own ratios: above 1 we are faster
    spread: tuple[float, float]  # the smallest and the largest of these ratios
    work: float = 0.0  # operations of one call, where they are counted
    unit: str = ""  # what multiplies: a name in machine.peaks, "" for the run's dtype


@dataclass(frozen=True)
class Rounds:
    count: int
    seconds: float  # each way runs at least so long in each round

    def compare(
        self,
        what: str,
        peer: str,
        ours: Callable[[], Any],
        theirs: Callable[[], Any],
        work: float = 0.0,
        unit: str = "",
    ) -> Row:
        """Times both in turns, the first of each round alternating; one call of each goes before, unmeasured."""
        ours(), theirs()
        times: list[tuple[float, float]] = []
        for number in range(self.count):
            if number % 2:
                theirs_took, ours_took = self._time(theirs), self._time(ours)
            else:
                ours_took, theirs_took = self._time(ours), self._time(theirs)
            times.append((ours_took, theirs_took))
        ratios = [theirs_took / ours_took for ours_took, theirs_took in times]
        ours_all, theirs_all = zip(*times, strict=True)
        return Row(
            what,
            peer,
            statistics.median(ours_all),
            statistics.median(theirs_all),
            statistics.median(ratios),
            (min(ratios), max(ratios)),
            work,
            unit,
        )

    def best(self, call: Callable[[], Any]) -> float:
        """The shortest round's seconds a call: for ceilings."""
        call()
        return min(self._time(call) for _ in range(self.count))

    def _time(self, call: Callable[[], Any]) -> float:
        calls, began = 0, time.perf_counter()
        while True:
            call()
            calls += 1
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
            if (took := time.perf_counter() - began) >= self.seconds:
                return took / calls
