"""The nodes' modules that need no ComfyUI, loaded by their files (the package itself imports ComfyUI); and a real
ComfyUI with the pack in it, installed as a user installs it.
"""

import importlib.util
import os
import subprocess

import pytest

from catvton import weights
from clone import clone_into
from comfyui import PYTHON, SOURCE, Server, front_end
from comfyui import ROOT as PACK


@pytest.fixture(scope="session")
def module():
    def load(name):
        spec = importlib.util.spec_from_file_location(f"catvton_nodes_{name}", PACK / "nodes" / f"{name}.py")
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return loaded

    return load


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    """A base folder of ComfyUI with a clone of the pack, installed by its own install.py."""
    wheels = sorted((PACK / "build").rglob("catvton_native-*.whl"))
    if not (SOURCE / "main.py").is_file():
        pytest.skip(f"no ComfyUI in {SOURCE}")
    if not PYTHON.is_file():
        pytest.skip(f"no {PYTHON}: scripts/comfyui_environment.py makes ComfyUI's environment")
    if not wheels:
        pytest.skip("no wheel in build/: `make build` makes one")
    if not weights.has_built_in():
        pytest.skip("this build has no demo model")
    base = tmp_path_factory.mktemp("comfyui")
    pack = base / "custom_nodes" / "catvton-native"
    clone_into(pack)
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["CATVTON_WHEELS"] = str(wheels[-1].parent)
    subprocess.run([PYTHON, pack / "install.py", "--force"], env=environment, check=True, capture_output=True)
    return base


@pytest.fixture(scope="session")
def start():
    """start(base, *flags, front_end=None): a server in a base folder, not yet running: `with start(base) as server`."""
    pytest.importorskip("websockets", reason="websockets is not installed (pip install catvton-native[test])")

    def start(base, *flags, **options):
        return Server(SOURCE, PYTHON, base, *flags, **options)

    return start


@pytest.fixture(scope="module")
def server(start, base):
    """One for the tests of a module, with ComfyUI's own front end where the environment has it, and with previews."""
    with start(base, "--preview-method", "latent2rgb", front_end=front_end(PYTHON)) as server:
        yield server


@pytest.fixture(scope="module")
def info(server):
    return server.get("/object_info")
