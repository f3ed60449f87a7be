"""The model that comes with the package: small, trained from nothing on drawn pictures (docs/training.md)."""

from __future__ import annotations

from pathlib import Path

BUILT_IN = "demo"  # its name wherever a folder of models is expected; a folder called so is ./demo
_FOLDER = Path(__file__).resolve().parent.parent / BUILT_IN


def has_built_in() -> bool:
    """Whether this build of the package holds the demo model."""
    return (_FOLDER / "unet").is_dir()


def model_folder(folder: str | Path) -> Path:
    """The folder that a user means: the text "demo" is the built-in model, a Path and every other text a folder.

    Raises FileNotFoundError where this build has no demo model.
    """
    if folder != BUILT_IN or isinstance(folder, Path):
        return Path(folder)
    if not has_built_in():
        raise FileNotFoundError(
            f"this build of catvton holds no demo model (there is no {_FOLDER / 'unet'}). Train one with "
            "`make demo-model`, or load published weights (README, 'Where files go'). A folder called so is './demo'."
        )
    return _FOLDER
