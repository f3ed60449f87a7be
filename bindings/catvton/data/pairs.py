"""Reading try-on data sets in the layouts of VITON-HD and DressCode, real or drawn.

    for pair in read_pairs("data/viton-hd", split="test", paired=False):
        person, garment, mask = pair.open()

Pairs lists are the authors' own: <split>_pairs*.txt, a person's and a garment's file name to a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image, UnidentifiedImageError

LAYOUTS = ("viton-hd", "dresscode")
DRESSCODE_CATEGORIES = {"upper_body": "upper", "lower_body": "lower", "dresses": "overall"}


@dataclass(frozen=True)
class Pair:
    """Paths of one try-on. mask is None where the set has none and none was asked for; truth: drawn sets only, the
    picture that a perfect result equals (for paired tries that is the person itself)."""

    person_name: str
    garment_name: str
    category: str
    person: Path
    garment: Path
    mask: Path | None
    truth: Path | None = None

    def open(self) -> tuple[Image.Image, Image.Image, Image.Image | None]:
        """Person RGB, garment RGB, mask L (or None)."""
        mask = _open(self.mask, "L") if self.mask else None
        return _open(self.person, "RGB"), _open(self.garment, "RGB"), mask


@dataclass(frozen=True)
class Pairs(Sequence):
    """The pairs of a data set; `missing` holds the files for whose sake pairs were left out (on_missing="skip")."""

    pairs: tuple[Pair, ...]
    layout: str
    missing: tuple[Path, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index):
        return self.pairs[index]


def read_pairs(
    root,
    split: str = "test",
    paired: bool = True,
    layout: str | None = None,
    on_missing: str = "stop",
    need_mask: bool = True,
) -> Pairs:
    """The pairs of the data set in folder `root`.

    paired: each person with the garment it wears; else the unpaired list. layout: of `LAYOUTS`, None finds out.
    on_missing: "stop" raises FileNotFoundError naming what is not there, "skip" leaves those pairs out.
    need_mask: whether a pair without an agnostic mask counts as incomplete.
    """
    root = Path(root)
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: no such folder")
    if split not in ("train", "test"):
        raise ValueError(f"split {split!r}: expected 'train' or 'test'")
    if on_missing not in ("stop", "skip"):
        raise ValueError(f"on_missing {on_missing!r}: expected 'stop' or 'skip'")
    if layout is None:
        layout = _layout_of(root, split)
    elif layout not in LAYOUTS:
        raise ValueError(f"layout {layout!r}: expected one of {', '.join(LAYOUTS)}")
    read = _viton_hd if layout == "viton-hd" else _dresscode
    kept, missing = [], []
    for pair, lost in read(root, split, paired, need_mask):
        missing += lost
        if not lost:
            kept.append(pair)
    missing = tuple(dict.fromkeys(missing))
    if missing and on_missing == "stop":
        shown = "".join(f"\n  {path}" for path in missing[:5]) + ("\n  ..." if len(missing) > 5 else "")
        raise FileNotFoundError(
            f"{root}: {len(missing)} of the listed files are missing:{shown}\n"
            "Complete the data set, or skip such pairs with on_missing='skip'."
        )
    return Pairs(tuple(kept), layout, missing)


def _layout_of(root: Path, split: str) -> str:
    if any((root / folder).is_dir() for folder in DRESSCODE_CATEGORIES):
        return "dresscode"
    if (root / split / "image").is_dir():
        return "viton-hd"
    raise FileNotFoundError(
        f"{root} is neither in VITON-HD's layout (no folder {split}/image) nor in DressCode's"
        f" (none of {', '.join(DRESSCODE_CATEGORIES)})"
    )


def _viton_hd(root: Path, split: str, paired: bool, need_mask: bool) -> Iterator[tuple[Pair, list[Path]]]:
    wanted = [f"{split}_pairs_{'paired' if paired else 'unpaired'}.txt", f"{split}_pairs.txt"]
    listing = next((root / name for name in wanted if (root / name).is_file()), None)
    if listing is None:
        raise FileNotFoundError(f"{root}: no pairs list; expected {' or '.join(wanted)}")
    folder = root / split
    for person, garment in _lines(listing):
        if paired:  # the authors' test list is an unpaired one; a worn garment has its person's name
            garment = person
        stem = Path(person).stem
        masks = [folder / "agnostic-mask" / f"{stem}_mask.png", folder / "agnostic-mask" / f"{stem}.png"]
        yield _pair(
            "upper", person, garment, folder / "image" / person, folder / "cloth" / garment, masks,
            folder / "truth" / f"{stem}.png", paired, need_mask,
        )  # fmt: skip


def _dresscode(root: Path, split: str, paired: bool, need_mask: bool) -> Iterator[tuple[Pair, list[Path]]]:
    name = "train_pairs.txt" if split == "train" else f"test_pairs_{'paired' if paired else 'unpaired'}.txt"
    folders = [root / f for f in DRESSCODE_CATEGORIES if (root / f).is_dir()]
    listed = [f for f in folders if (f / name).is_file()]
    if not listed:
        raise FileNotFoundError(f"{root}: no {name} in any of {', '.join(f.name for f in folders) or 'its folders'}")
    for folder in listed:
        for person, garment in _lines(folder / name):
            stem = Path(person).stem
            images, masks = folder / "images", [folder / "agnostic_masks" / f"{stem}.png"]
            yield _pair(
                DRESSCODE_CATEGORIES[folder.name], person, garment, images / person, images / garment, masks,
                folder / "truth" / f"{stem}.png", paired, need_mask,
            )  # fmt: skip


def _pair(category, person, garment, person_path, garment_path, masks, truth, paired, need_mask):
    mask = next((path for path in masks if path.is_file()), None)
    lost = [path for path in (person_path, garment_path) if not path.is_file()]
    if mask is None and need_mask:
        lost.append(masks[0])
    if paired:
        truth = person_path
    return Pair(person, garment, category, person_path, garment_path, mask, truth if truth.is_file() else None), lost


def _lines(listing: Path) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(listing.read_text("utf-8").splitlines(), 1):
        words = line.split()
        if not words:
            continue
        if len(words) < 2:
            raise ValueError(f"{listing}:{number}: {line!r}: expected a person's and a garment's file name")
        yield words[0], words[1]


def _open(path: Path, mode: str) -> Image.Image:
    try:
        with Image.open(path) as picture:
            return picture.convert(mode)
    except UnidentifiedImageError as error:
        raise ValueError(f"{path} is not a picture that Pillow can read") from error
    except OSError as error:
        raise OSError(f"{path}: {error}") from error
