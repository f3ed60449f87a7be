"""Several garments on one person: one try-on after the other, each on the result of the one before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .callbacks import OnStep, counted
from .images import PictureLike, open_picture
from .masks.layers import ORDER, outfit_masks
from .presets import Preset, sampling
from .results import Result, like

if TYPE_CHECKING:
    from .tryon import TryOn


def try_on_outfit(
    tryon: TryOn,
    person: PictureLike,
    garments: Mapping[str, PictureLike | None],
    *,
    masks: Mapping[str, PictureLike] | None = None,
    atr: PictureLike | None = None,
    lip: PictureLike | None = None,
    densepose: PictureLike | None = None,
    seed: int | None = None,
    preset: Preset = "exact",
    steps: int | None = None,
    callback: OnStep | None = None,
    **options: Any,
) -> Result:
    """`TryOn.outfit`, which documents it. garments: by names of `ORDER`; None is not worn."""
    worn = _checked(garments, masks or {})
    for name in ("paste_back", "batch_size", "mask"):
        if name in options:
            raise ValueError(f"outfit takes no {name}=: {_INSTEAD[name]}")
    if options.get("noise") is not None:
        options["noise"] = iter(options["noise"])  # each try-on goes on where the one before stopped
    picture = open_picture(person, "person")
    has_maps = any(source is not None for source in (atr, lip, densepose))
    missing = [name for name in worn if name not in (masks or {})]
    if missing and not has_maps and tryon.masked:
        raise ValueError(
            f"no mask for {' and '.join(missing)}: give masks={{{missing[0]!r}: ...}}, or label maps of the person "
            "(atr=, lip=, densepose=) to make it from"
        )
    needed = worn if has_maps else [name for name in worn if name in (masks or {})]
    mask_of = outfit_masks(needed, atr, lip, densepose, given=masks)

    results: list[Result] = []
    steps = sampling(preset, steps=steps).steps
    for number, name in enumerate(worn):
        result = tryon(
            picture,
            garments[name],
            mask_of.get(name),
            seed=None if seed is None else seed + number,
            preset=preset,
            steps=steps,
            callback=callback and counted(callback, number * steps, len(worn) * steps),
            **options,
        )
        if seed is None and result.seed is not None:
            seed = result.seed
        results.append(result)
        picture = result.pil
    return replace(
        results[-1],
        image=like(person, picture),
        seed=results[0].seed,
        seconds=sum(result.seconds for result in results),
    )


_INSTEAD = {
    "paste_back": "every garment is tried on in the picture that the one before was pasted into; the model's own "
    "picture of the last one is the result's `plain`",
    "batch_size": "garments are put on one after the other",
    "mask": "each garment has its own, masks={'upper': ..., 'lower': ...}",
}


def _checked(garments: Mapping[str, PictureLike | None], masks: Mapping[str, PictureLike]) -> list[str]:
    """The names of the garments that are given, in the order in which they are put on."""
    worn = [name for name in ORDER if garments.get(name) is not None]
    if not worn:
        raise ValueError(f"no garment is given: give one or more of {', '.join(f'{name}=' for name in ORDER)}")
    for whole, parts in {"dress": ("upper", "lower", "inner"), "upper": ("inner",)}.items():
        clash = [name for name in parts if name in worn]
        if whole in worn and clash:
            raise ValueError(f"{whole}= takes the place of {' and '.join(clash)}: give one or the other")
    strangers = [str(name) for name in masks if name not in worn]
    if strangers:
        raise ValueError(f"masks has {', '.join(strangers)}, but the garments are {', '.join(worn)}")
    return worn
