"""--novram and --lowvram: ComfyUI takes neither together with --cpu, so a card is made up (vram_flags.py says how)."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from comfyui import PYTHON, SOURCE

CARD = "cuda:0"


@pytest.fixture(scope="module")
def found(base):
    """found(flag): what a ComfyUI that was started with it does. base: installs the engine there."""

    def ask(*flags):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [PYTHON, "-s", Path(__file__).with_name("vram_flags.py"), *flags]
        done = subprocess.run(command, cwd=SOURCE, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        return json.loads(done.stdout.splitlines()[-1])

    return ask


def test_lowvram_loads_the_whole_model_where_the_run_does_not_ask_for_less(found):
    """It would move the parts of a model that ComfyUI knows inside; ours is one to it."""
    got = found("--lowvram")
    assert got["state"] == "LOW_VRAM"
    on_the_card, on_the_cpu = [CARD, CARD], ["cpu", CARD]  # where the weights wait, where the work is done
    assert got["runs"] == [
        ["auto", *on_the_card],
        ["low", *on_the_cpu],
        ["minimal", *on_the_cpu],
        ["normal", *on_the_card],
    ]
    assert got["after"] == "cpu"  # "Unload Models" took it off the card


def test_novram_leaves_the_weights_on_the_cpu_and_works_on_the_card(found):
    got = found("--novram")
    assert got["state"] == "NO_VRAM"
    assert got["runs"] == [[mode, "cpu", CARD] for mode in ("minimal", "low", "minimal", "minimal")]
    assert got["after"] == "cpu"
