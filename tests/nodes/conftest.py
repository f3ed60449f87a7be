"""The nodes' modules that need no ComfyUI, loaded by their files: the package itself imports ComfyUI."""

import importlib.util
from pathlib import Path

import pytest

PACK = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def module():
    def load(name):
        spec = importlib.util.spec_from_file_location(f"catvton_nodes_{name}", PACK / "nodes" / f"{name}.py")
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return loaded

    return load
