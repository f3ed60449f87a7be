"""What Try On and Outfit have in common: the inputs of a run, and the run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from comfy_api.latest import io

from . import _comfy
from .engine import engine, has_memory_modes
from .model import Model
from .schema import advanced

T = TypeVar("T")
FITS = ["pad", "crop", "stretch"]
MEMORY = ["automatic", "normal", "low", "minimal"]
BY_RULE = -1.0  # of a length: as the engine chooses it
LARGEST_SEED = 2**63 - 1


def sampling_inputs() -> list[io.Input]:
    return [
        io.Int.Input(
            "steps",
            default=50,
            min=1,
            max=1000,
            tooltip="Denoising steps. 50 is what CatVTON was evaluated with; fewer take less time and show less.",
        ),
        io.Float.Input(
            "guidance",
            default=2.5,
            min=0.0,
            max=20.0,
            step=0.1,
            tooltip="How strongly the garment is followed. 2.5 is CatVTON's. 1 and below: off, at half the work.",
        ),
        io.Int.Input(
            "seed",
            default=42,
            min=0,
            max=LARGEST_SEED,
            control_after_generate=True,
            tooltip="Same seed, same picture. The i-th picture of a batch, or garment of an outfit, has seed + i.",
        ),
        io.Int.Input(
            "width",
            default=0,
            min=0,
            max=4096,
            step=8,
            tooltip="Width at which the model works, a multiple of 8. 0: what the model was trained for "
            "(768 for the published weights).",
        ),
        io.Int.Input(
            "height",
            default=0,
            min=0,
            max=4096,
            step=8,
            tooltip="Height at which the model works, a multiple of 8. 0: what the model was trained for "
            "(1024 for the published weights).",
        ),
        io.Combo.Input(
            "fit",
            options=FITS,
            default="pad",
            tooltip="How the person reaches that size. pad: whole, with white borders. crop: the largest centred part. "
            "stretch: whole, distorted.",
        ),
    ]


def expert_inputs() -> list[io.Input]:
    return [
        advanced(
            io.Float.Input(
                "feather",
                default=BY_RULE,
                min=BY_RULE,
                max=20.0,
                step=0.1,
                tooltip="Softness of the seam when pasting back, in percent of the picture's longer side. -1: the "
                "reference's rule. 0: a hard edge.",
            )
        ),
        advanced(
            io.Boolean.Input(
                "match_colour",
                default=False,
                tooltip="When pasting back, shift the result's colours so that they agree with the original just "
                "outside the mask.",
            )
        ),
        advanced(
            io.Float.Input(
                "eta",
                default=1.0,
                min=0.0,
                max=1.0,
                step=0.05,
                tooltip="Noise added in every step. 1 is what CatVTON was evaluated with; 0 is deterministic after "
                "the first noise.",
            )
        ),
        advanced(
            io.Combo.Input(
                "memory",
                options=MEMORY,
                default=MEMORY[0],
                tooltip="How much memory the run may take. automatic: normal, and once more with less where that runs "
                "out. low and minimal take more time.",
            )
        ),
    ]


@dataclass(frozen=True)
class Settings:
    """The values of those inputs. Advanced ones have defaults: workflows of an older version do not name them."""

    steps: int
    guidance: float
    seed: int
    width: int
    height: int
    fit: str
    feather: float = BY_RULE
    match_colour: bool = False
    eta: float = 1.0
    memory: str = MEMORY[0]

    def size(self, model: Model) -> tuple[int, int]:
        """Height and width at which `model` works."""
        return self.height or model.size[0], self.width or model.size[1]

    def arguments(self, model: Model) -> dict[str, Any]:
        """Of a call of `catvton.TryOn`."""
        height, width = self.size(model)
        return {
            "steps": self.steps,
            "guidance": self.guidance,
            "eta": self.eta,
            "seed": self.seed & LARGEST_SEED,  # a wired-in seed may have 64 bits
            "height": height,
            "width": width,
            "fit": self.fit,
            "feather": None if self.feather < 0 else percent(self.feather),
            "match_colour": self.match_colour,
        }


def percent(length: float) -> str:
    """A length as the engine reads it: percent of the picture's longer side."""
    return f"{length:g}%"


def run(model: Model, settings: Settings, call: Callable[..., T], pairs: int = 1) -> T:
    """call(tryon, **arguments) with the model on its device, progress shown, and Cancel heeded within moments.

    pairs: denoised together at most; where memory runs out, call gets pairs=1 in the second attempt.
    """
    engine()
    progress = _comfy.Progress(model.patcher.load_device, lambda: model.latent_colours)

    def work(tryon: Any, memory: str, small: bool) -> T:
        return call(
            tryon,
            pairs=1 if small else pairs,
            callback=progress.on_step,
            preview=progress.on_estimate if progress.wants_estimate else None,
            poll=_comfy.stop_if_interrupted,
            **settings.arguments(model),
            **({"memory": memory} if has_memory_modes() else {}),
        )

    return model.run(work, *settings.size(model), pairs, "auto" if settings.memory == MEMORY[0] else settings.memory)
