"""What the pack costs in a real ComfyUI: start, first picture, each run over the bare engine, cancelling, memory.

python scripts/bench/comfyui.py        needs `make test` to have made its ComfyUI, and the package installed there
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

import catvton

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "nodes"))

from comfyui import PYTHON, SOURCE, Server  # noqa: E402  (the tests' server)
from workflow_form import to_api  # noqa: E402

REPEATS = 7
STEPS, GUIDANCE = 20, 1.5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "custom_nodes").mkdir()
        (base / "custom_nodes" / "catvton").symlink_to(ROOT)
        with Server(SOURCE, PYTHON, base) as server:
            rows = measure(server)
    for name, value in rows.items():
        print(f"| {name} | {value} |")


def measure(server: Server) -> dict[str, str]:
    took = re.search(r"([\d.]+) seconds.*custom_nodes/catvton", server.log.read_text(errors="replace"))
    info = server.get("/object_info")
    workflow = json.loads((ROOT / "workflows" / "try_on_basic.json").read_text(encoding="utf-8"))

    def prompt(**values) -> dict:
        made = to_api(workflow, info)
        tryon = next(node for node in made.values() if node["class_type"] == "CatVTONTryOn")
        tryon["inputs"] |= {"steps": STEPS, "guidance": GUIDANCE} | values
        return made

    idle = server.memory
    first = server.run(prompt(seed=1))
    runs = [server.run(prompt(seed=seed)).seconds for seed in range(2, 2 + REPEATS)]
    loaded = server.memory
    bare = bare_engine()
    latencies = []
    for seed in range(20, 20 + REPEATS):
        run = server.run(
            prompt(seed=seed, width=384, height=512, steps=50),
            interrupt=lambda kind, data: kind == "progress" and data["value"] == 3,
        )
        latencies.append(run.latency)
    server.post("/free", {"unload_models": True, "free_memory": True})
    time.sleep(3)
    return {
        "importing the pack, as ComfyUI's log says": f"{took[1] if took else '?'} s",
        "first picture after a start (load and run)": f"{first.seconds:.2f} s",
        f"a run, median of {REPEATS}": f"{statistics.median(runs):.2f} s",
        f"the bare engine, median of {REPEATS}": f"{statistics.median(bare):.2f} s",
        "from the request to cancel to the end, 512x384, median and worst": (
            f"{statistics.median(latencies):.2f} s, {max(latencies):.2f} s"
        ),
        "memory of the server: idle, after runs, after /free": " ".join(
            f"{bytes_ / 1e6:.0f} MB" for bytes_ in (idle, loaded, server.memory)
        ),
    }


def bare_engine() -> list[float]:
    tryon = catvton.TryOn.load("demo", device="cpu")
    picture = Image.open(ROOT / "example_inputs" / "catvton_person_masked.png")
    mask = picture.getchannel("A").point(lambda value: 255 - value)
    garment = Image.open(ROOT / "example_inputs" / "catvton_top_1.png")
    times = []
    for seed in range(REPEATS + 1):
        began = time.perf_counter()
        tryon(picture.convert("RGB"), garment, mask, steps=STEPS, guidance=GUIDANCE, seed=seed)
        times.append(time.perf_counter() - began)
    return times[1:]


if __name__ == "__main__":
    main()
