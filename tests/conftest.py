"""Fixtures that more than one folder of tests uses."""

import os
from pathlib import Path

# Where other programs compute, too, threads that wait for each other spin against them: forty times as long for the two
# of a server that a test starts, where that was measured. torch reads this when it is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch
from hypothesis import settings

# The same examples on every machine, and no clock: a slow machine is no failure.
settings.register_profile("conformance", derandomize=True, deadline=None, database=None)
settings.load_profile("conformance")

# The tests' models are small: on a busy machine, threads would spend their time waiting for each other.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def fixed_seed():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of the reference implementation's numbers: $CATVTON_GOLDEN, or shared/golden beside the repository."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "golden"
    folder = Path(os.environ.get("CATVTON_GOLDEN", beside))
    if not (folder / "README.md").is_file():
        pytest.skip(f"no golden data at {folder}; set CATVTON_GOLDEN to the folder that holds it")
    return folder
