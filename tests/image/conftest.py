"""The reference implementation's own pictures and numbers, where they are at hand (they may not be redistributed)."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

GOLDEN = Path(os.environ.get("CATVTON_GOLDEN", Path(__file__).resolve().parents[3] / "shared" / "golden"))


@pytest.fixture(scope="session")
def golden():
    """golden("crop/person0_96x128") is that item of the preparation set as an array."""
    if not (GOLDEN / "pre").is_dir():
        pytest.skip(f"no golden data in {GOLDEN} (set CATVTON_GOLDEN)")

    def load(item):
        path = GOLDEN / "pre" / item
        png = path.with_name(path.name + ".png")
        return np.array(Image.open(png)) if png.exists() else np.load(path.with_name(path.name + ".npz"))["a"]

    return load


@pytest.fixture(scope="session")
def golden_root(golden):
    return GOLDEN
