"""The agnostic mask of a category, from label maps: the reference implementation's rule.

Source: github.com/Zheng-Chong/CatVTON, model/cloth_masker.py. The table of the rule is here; its geometry is
cpp/image/agnostic_mask.cpp. Given ATR, LIP and DensePose maps the result is the reference's.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from .. import images
from .._native import C
from . import labels
from .labels import DENSEPOSE, PARSERS


@dataclass(frozen=True)
class Rule:
    """What a category repaints and what it keeps."""

    clothes: tuple[str, ...]  # repainted, in any parsing map
    body: tuple[str, ...]  # repainted, of DensePose
    kept_body: tuple[str, ...]
    kept_clothes: tuple[str, ...]
    kept_unless_coats: tuple[str, ...] = ()  # kept by maps that know coats: to others a coat is upper-clothes too


RULES = {
    "upper": Rule(
        clothes=("upper-clothes", "coat", "dress", "jumpsuits"),
        body=("torso", "upper arms", "forearms"),
        kept_body=("legs",),
        kept_clothes=("skirt", "pants"),
    ),
    "lower": Rule(
        clothes=("pants", "skirt", "dress", "jumpsuits"),
        body=("thighs", "lower legs"),
        kept_body=("arms", "face"),
        kept_clothes=("upper-clothes", "coat"),
    ),
    "overall": Rule(
        clothes=("upper-clothes", "dress", "pants", "skirt", "coat", "jumpsuits"),
        body=("torso", "thighs", "lower legs", "upper arms", "forearms"),
        kept_body=(),
        kept_clothes=(),
    ),
    "inner": Rule(
        clothes=("upper-clothes",),
        body=("torso",),
        kept_body=("legs",),
        kept_clothes=("dress", "coat", "skirt", "pants", "jumpsuits"),
    ),
    "outer": Rule(
        clothes=("coat",),
        body=("torso", "upper arms", "forearms"),
        kept_body=("legs",),
        kept_clothes=("dress", "pants", "skirt", "jumpsuits"),
        kept_unless_coats=("upper-clothes",),
    ),
}
CATEGORIES = tuple(RULES)
# What `cover` can add: limbs with their DensePose parts, and clothes.
LIMBS = {"arms": ("upper arms", "forearms"), "legs": ("thighs", "lower legs"), "torso": ("torso",)}
COVERABLE = (*LIMBS, "upper-clothes", "coat", "dress", "jumpsuits", "skirt", "pants")
ACCESSORIES = ("hat", "glove", "sunglasses", "bag", "shoes", "scarf", "socks", "jewelry")


def agnostic(
    category: str,
    atr: images.PictureLike | None = None,
    lip: images.PictureLike | None = None,
    densepose: images.PictureLike | None = None,
    *,
    others: Mapping[str, images.PictureLike] | None = None,
    cover: Iterable[str] = (),
) -> np.ndarray:
    """The mask of `category` (upper, lower, overall, inner, outer) as uint8 [H, W], 255 where the model may paint.

    atr, lip, densepose: label maps [H, W] of one size, as numbers (`labels.label_map` says what is read). With all
    three the result is the reference's; with fewer, a warning names what is lost.
    others: maps of other parsers by the name of their labels: {"cihp": ...}, {"fashn": ...}.
    cover: parts that the garment will cover and the category would keep or miss: "arms" for long sleeves on bare arms,
    "legs" and "pants" for a dress over trousers, or any clothes of `labels`. Hands, feet and face stay.

    Raises ValueError for an unknown category or parser, no map at all, maps of different sizes and unknown labels.
    """
    if category not in RULES:
        raise ValueError(f"category must be one of {', '.join(CATEGORIES)}, got {category!r}")
    parsing, dense = _read_maps(atr, lip, densepose, others)
    for loss in losses(category, parsing.keys(), dense is not None):
        warnings.warn(loss, stacklevel=2)
    return _mask(_covering(RULES[category], tuple(cover)), parsing, dense)


def identity(
    atr: images.PictureLike | None = None,
    lip: images.PictureLike | None = None,
    densepose: images.PictureLike | None = None,
    *,
    others: Mapping[str, images.PictureLike] | None = None,
) -> np.ndarray:
    """What makes the person that person, as uint8 [H, W], 255 where it is seen: face, hair, hands and feet.

    To be protected (`adjust`) where a mask is grown or loosened beyond what its category allows. The maps are
    `agnostic`'s; hands and feet need a densepose or fashn map.
    """
    parsing, dense = _read_maps(atr, lip, densepose, others)
    seen = [labels.bits(*known, {"kept": ("face", "hair", "hands", "feet")}) for known in parsing.values()]
    if dense is not None:  # its face is the whole front of the head: parsing, where given, draws it finer
        seen.append(
            labels.bits(dense, DENSEPOSE, {"kept": ("hands", "feet") if parsing else ("hands", "feet", "face")})
        )
    return np.where(np.bitwise_or.reduce(seen) > 0, np.uint8(255), np.uint8(0))


def losses(category: str, parsers: Mapping[str, object] | set[str], has_densepose: bool) -> list[str]:
    """What a mask of `category` cannot know without further maps, as sentences; empty for the reference's three."""
    rule, lost = RULES[category], []
    if not parsers:
        lost.append(
            "without a parsing map (atr, lip, ...) the mask follows the bare body: clothes that stand off it, hair and "
            "accessories are not seen"
        )
    else:
        needed = dict.fromkeys((*rule.clothes, *rule.kept_clothes, *ACCESSORIES, "hair", "face"))
        known = {part for parser in parsers for part in PARSERS[parser]}
        missing = [part for part in needed if part not in known and part != "jewelry"]
        if missing:
            lost.append(
                f"{' and '.join(parsers)} cannot tell {', '.join(missing)}: neither repainted nor kept on purpose"
            )
    if not has_densepose:
        hands = not any("hands" in PARSERS[parser] for parser in parsers)
        also = "hands and feet count as arms and legs and may be repainted, and " if hands else ""
        lost.append(f"without a densepose map {also}the body under loose clothes is not known")
    return lost


def _covering(rule: Rule, cover: tuple[str, ...]) -> Rule:
    unknown = [part for part in cover if part not in COVERABLE]
    if unknown:
        raise ValueError(f"cover knows {', '.join(COVERABLE)}; got {', '.join(map(repr, unknown))}")

    def rest(parts: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(part for part in parts if part not in cover)

    body = tuple(dense for part in cover for dense in LIMBS.get(part, ()))
    return Rule(
        clothes=(*rule.clothes, *cover),
        body=(*rule.body, *body),
        kept_body=rest(rule.kept_body),
        kept_clothes=rest(rule.kept_clothes),
        kept_unless_coats=rest(rule.kept_unless_coats),
    )


def _read_maps(
    atr: images.PictureLike | None,
    lip: images.PictureLike | None,
    densepose: images.PictureLike | None,
    others: Mapping[str, images.PictureLike] | None,
) -> tuple[dict[str, tuple[np.ndarray, labels.LabelSet]], np.ndarray | None]:
    """The parsing maps with their label sets, by name, and the DensePose map; at least one map, all of one size."""
    parsing = {}
    for name, source in ({"atr": atr, "lip": lip} | dict(others or {})).items():
        if name not in PARSERS:
            raise ValueError(f"unknown label set {name!r}; known are {', '.join(PARSERS)}")
        if source is not None:
            parsing[name] = (labels.label_map(source, name, PARSERS[name]), PARSERS[name])
    dense = None if densepose is None else labels.label_map(densepose, "densepose", DENSEPOSE)
    if not parsing and dense is None:
        raise ValueError("an agnostic mask needs at least one label map: atr, lip, densepose or others")
    _check_sizes({**{name: array for name, (array, _) in parsing.items()}, "densepose": dense})
    return parsing, dense


def _check_sizes(maps: dict[str, np.ndarray | None]) -> None:
    sizes = {name: f"{array.shape[1]}x{array.shape[0]}" for name, array in maps.items() if array is not None}
    if len(set(sizes.values())) > 1:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(f"label maps must have one size, got {listed}; resize them with nearest, never with blending")


def _mask(rule: Rule, parsing: dict[str, tuple[np.ndarray, labels.LabelSet]], dense: np.ndarray | None) -> np.ndarray:
    # Without parsing, DensePose's own arms, legs and face stand in for it.
    maps = parsing or {"densepose": (dense, DENSEPOSE)}
    parts = np.zeros(next(iter(maps.values()))[0].shape, np.uint8)
    for name, (array, labelled) in maps.items():
        kept = (*rule.kept_body, *rule.kept_clothes, *ACCESSORIES, "hair")
        means = {
            "extremity": ("hands", "feet"),
            "limb": ("arms", "legs"),
            "face": ("face",) if name == "lip" or "lip" not in maps else (),  # the reference trusts LIP's face alone
            "kept": (*kept, *rule.kept_unless_coats) if "coat" in labelled else kept,
            "person": tuple(part for part in labelled if part != "background"),
            "clothes": rule.clothes,
        }
        parts |= labels.bits(array, labelled, means)
    if dense is not None:
        parts |= labels.bits(dense, DENSEPOSE, {"extremity": ("hands", "feet"), "body": rule.body})
    return C.image.agnostic_mask(parts)
