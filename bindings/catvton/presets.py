"""How a try-on is sampled: exactly as the published weights were evaluated, or faster and near it.

Every approximation is off unless asked for. A preset is a fixed combination; what is given beside it wins.
docs/approximations.md has what each costs and saves, measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal

Solver = Literal["ddim", "unipc", "sde-dpm++"]
SOLVERS: tuple[Solver, ...] = ("ddim", "unipc", "sde-dpm++")
Preset = Literal["exact", "fast", "turbo"]


@dataclass(frozen=True)
class Sampling:
    """The options of `C.tryon` that decide how exactly the diffusion is followed, under its names.

    steps: 1 to 1000 (unipc, sde-dpm++: 999). guidance: 1 and below turns it off, at half the work.
    eta: of ddim; 1 is what the weights were evaluated with, 0 is deterministic after the first noise.
    solver: "ddim"; "unipc" (UniPC, order 2, deterministic after the first noise) or "sde-dpm++" (SDE-DPM-Solver++ 2M)
        as diffusers computes them: they need fewer steps.
    guidance_interval: (start, stop), fractions of the trajectory: guidance only in those steps i of n, counted from 0,
        with start <= i / n < stop; the others take half the work.
    cache_interval: of so many steps one computes the whole UNet; the others compute its outermost level around what
        came up from below then (DeepCache). 1: off.
    token_downsampling: in the outermost level's self-attention, tokens look at means over so many by so many tokens,
        person and garment apart, instead of at all of them. 1: off.
    int8_scores: self-attention's queries and keys in eight bits, for their product alone: on a CPU with AVX512-VNNI, in
        float32 or bfloat16; ValueError elsewhere.
    """

    steps: int = 50
    guidance: float = 2.5
    eta: float = 1.0
    solver: Solver = "ddim"
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    cache_interval: int = 1
    token_downsampling: int = 1
    int8_scores: bool = False

    def __post_init__(self):
        for name in ("steps", "cache_interval", "token_downsampling"):
            value = getattr(self, name)
            if isinstance(value, bool) or not hasattr(value, "__index__"):
                raise TypeError(f"{name} must be an integer, got {value!r}")
        if not isinstance(self.int8_scores, bool):
            raise TypeError(f"int8_scores must be True or False, got {self.int8_scores!r}")
        interval = self.guidance_interval
        if isinstance(interval, str) or not isinstance(interval, Sequence) or len(interval) != 2:
            raise TypeError(f"guidance_interval must be two numbers, (start, stop), got {interval!r}")
        for name, values in (("guidance", [self.guidance]), ("eta", [self.eta]), ("guidance_interval", interval)):
            for value in values:
                if isinstance(value, bool) or not hasattr(value, "__float__"):
                    raise TypeError(f"{name} must be a number, got {value!r}")
        if self.solver not in SOLVERS:
            raise ValueError(f"solver must be one of {', '.join(SOLVERS)}, got {self.solver!r}")
        if not 0 <= self.guidance < float("inf"):
            raise ValueError(f"guidance must be 0 or more (0 to 1: off, the reference uses 2.5), got {self.guidance}")
        object.__setattr__(self, "guidance_interval", tuple(map(float, interval)))

    def options(self) -> dict[str, Any]:
        """As keyword arguments."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def reuses(self) -> bool:
        """Whether something is kept from step to step."""
        return self.cache_interval > 1


PRESETS: dict[Preset, Sampling] = {
    "exact": Sampling(),
    "fast": Sampling(steps=20, solver="sde-dpm++"),
    "turbo": Sampling(
        steps=10, solver="sde-dpm++", guidance_interval=(0.0, 0.5), cache_interval=2, token_downsampling=2
    ),
}


def sampling(preset: Preset = "exact", base: Sampling | None = None, **given: Any) -> Sampling:
    """`preset`'s sampling, or `base`, but for what is given and not None. Raises TypeError and ValueError."""
    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, got {preset!r}")
    made = replace(base or PRESETS[preset], **{name: value for name, value in given.items() if value is not None})
    if given.get("eta") is not None and made.solver != "ddim":
        raise ValueError(f"eta={given['eta']} is for solver='ddim', and the solver is {made.solver!r}: leave eta out")
    return made


def as_json(sampling: Sampling) -> dict[str, Any]:
    """What json.load gives back of it."""
    return asdict(sampling) | {"guidance_interval": list(sampling.guidance_interval)}
