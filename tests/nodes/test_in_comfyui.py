"""The pack in a real ComfyUI, installed as a user installs it, run over HTTP and its websocket."""

import io
import json
import shutil
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import catvton
import synthetic_weights
from catvton._native import C
from workflow_form import to_api

ROOT = Path(__file__).resolve().parents[2]
NODES = {
    "CatVTONLoad",
    "CatVTONTryOn",
    "CatVTONOutfit",
    "CatVTONLabelMap",
    "CatVTONMaskByCategory",
    "CatVTONMaskPreview",
}
STEPS = 4


@pytest.fixture
def prompt(info):
    """prompt("try_on_basic", steps=2): a workflow in the server's form, with other values for Try On's inputs."""

    def build(name, **values):
        workflow = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
        made = to_api(workflow, info)
        for node in made.values():
            if node["class_type"] in ("CatVTONTryOn", "CatVTONOutfit"):
                node["inputs"] |= {"steps": STEPS} | values
                node["inputs"] = {name: value for name, value in node["inputs"].items() if value is not None}
        return made

    return build


def test_every_node_is_there_and_explains_itself(server, info):
    assert info.keys() >= NODES
    for name in NODES:
        known = info[name]
        inputs = known["input"]["required"] | known["input"].get("optional", {})
        assert known["description"] and known["display_name"]
        silent = [name for name, (_, *options) in inputs.items() if not (options and options[0].get("tooltip"))]
        assert not silent, f"{name}: no tooltip on {silent}"
        assert all(known["output_tooltips"]), name
    assert not [line for line in server.not_loaded() if "catvton" in line.lower()]


def test_workflows_are_offered_with_their_thumbnails(server):
    names = {path.stem for path in (ROOT / "workflows").glob("*.json")}
    assert set(server.get("/api/workflow_templates")["catvton-native"]) == names
    for name in names:
        assert server.get(f"/api/workflow_templates/catvton-native/{name}.json")["nodes"]
    for name in names - {"mask_free"}:  # what that makes takes weights that are not ours to show
        picture = Image.open(io.BytesIO(server.get(f"/api/workflow_templates/catvton-native/{name}.jpg")))
        assert min(picture.size) >= 200


def test_help_and_translations_are_served(server):
    for name in NODES:
        assert len(server.get(f"/extensions/catvton-native/docs/{name}.md")) > 200
    names = server.get("/i18n")
    assert names["zh"]["nodeDefs"]["CatVTONTryOn"]["display_name"] != "Try On"


@pytest.mark.parametrize(
    "name",
    ["try_on_basic", "try_on_with_drawn_mask", "mask_by_category", "outfit", "batch_catalogue", "person_to_person"],
)
def test_workflows_run_as_they_are(server, prompt, name):
    run = server.run(prompt(name))
    assert run.status == "success", run.error
    assert len(server.images(run)) >= (3 if name == "batch_catalogue" else 1)


def test_mask_free_is_valid_as_far_as_it_goes_without_its_weights(server, info, prompt):
    nodes = prompt("mask_free", steps=50)
    for node in nodes.values():
        known = info[node["class_type"]]["input"]
        declared = known["required"] | known.get("optional", {})
        assert known["required"].keys() <= node["inputs"].keys() <= declared.keys()
        for name, value in node["inputs"].items():
            kind, *options = declared[name]
            if isinstance(value, list):
                source, slot = value
                assert info[nodes[source]["class_type"]]["output"][slot] == kind
            elif isinstance(kind, list) or kind == "COMBO":
                assert value in (kind if isinstance(kind, list) else options[0]["options"])
    run = server.run(nodes)
    assert run.status == "error"  # not rejected: the server's own validation lets it run, and the demo model says:
    assert "a masked model needs one" in run.error["exception_message"]


def test_mask_free_runs_with_weights_of_its_kind(start, base):
    """Small random ones, in models/catvton: the picture is what the engine makes of them by itself."""
    folder = synthetic_weights.write(base / "models" / "catvton" / "small-mask-free", tiny=True, mask_free=True)
    values = {"steps": 2, "seed": 3, "width": 96, "height": 128}
    with start(base) as server:
        nodes = to_api(
            json.loads((ROOT / "workflows" / "mask_free.json").read_text(encoding="utf-8")), server.get("/object_info")
        )
        for node in nodes.values():
            if node["class_type"] == "CatVTONLoad":
                node["inputs"]["base"] = "catvton/small-mask-free"
            elif node["class_type"] == "CatVTONTryOn":
                node["inputs"] |= values
        run = server.run(nodes)
        assert run.status == "success", run.error
        made = np.asarray(Image.open(io.BytesIO(server.images(run)[0])), np.int16)
    pictures = [ROOT / "example_inputs" / f"catvton_{name}.png" for name in ("person", "top_1")]
    expected = catvton.TryOn.load(folder, device="cpu")(*pictures, guidance=2.5, **values).image
    assert np.abs(made - np.asarray(expected, np.int16)).max() <= 1


@pytest.mark.skipif(not C.int8.works(), reason="no eight-bit products: a CPU without VNNI")
def test_weights_in_eight_bits(server, prompt):
    """By the server's float32 on a CPU, as the engine makes it by itself."""
    nodes, plain = prompt("try_on_basic", seed=11), prompt("try_on_basic", seed=11)
    next(node for node in nodes.values() if node["class_type"] == "CatVTONLoad")["inputs"]["weights_dtype"] = "int8"
    pictures = []
    for run in (server.run(nodes), server.run(plain)):
        assert run.status == "success", run.error
        pictures.append(np.asarray(Image.open(io.BytesIO(server.images(run)[0])), np.int16))
    inputs = ROOT / "example_inputs"
    person = Image.open(inputs / "catvton_person_masked.png")
    inside = person.getchannel("A").point(lambda alpha: 255 - alpha)
    model = catvton.TryOn.load("demo", device="cpu", dtype="float32", weights_dtype="int8")
    made = model(person.convert("RGB"), inputs / "catvton_top_1.png", inside, steps=STEPS, guidance=1.5, seed=11).image
    assert np.abs(pictures[0] - np.asarray(made, np.int16)).max() <= 1
    assert np.abs(pictures[0] - pictures[1]).max() > 1


def test_outside_the_mask_the_picture_stays_and_inside_it_changes(server, prompt):
    run = server.run(prompt("try_on_basic", feather=0.0))
    result = np.asarray(Image.open(io.BytesIO(server.images(run)[0])))
    person = np.asarray(Image.open(ROOT / "example_inputs" / "catvton_person_masked.png"))
    assert result.shape[:2] == person.shape[:2]
    outside, inside = person[..., 3] == 255, person[..., 3] == 0
    np.testing.assert_array_equal(result[outside], person[outside][:, :3])
    assert np.abs(result[inside].astype(int) - person[inside][:, :3]).mean() > 20


def test_progress_counts_the_steps(server, prompt):
    run = server.run(prompt("try_on_basic", seed=7))
    assert [event["value"] for event in run.of("progress")] == list(range(1, STEPS + 1))
    assert {event["max"] for event in run.of("progress")} == {STEPS}


def test_every_step_shows_what_is_expected(server, prompt):
    run = server.run(prompt("try_on_basic", seed=6))
    assert len(run.previews) == STEPS
    pictures = []
    for message in run.previews:
        assert struct.unpack(">II", message[:8]) == (1, 1)  # a preview, as JPEG
        pictures.append(np.asarray(Image.open(io.BytesIO(message[8:])).convert("RGB").resize((18, 24)), float))
        width, height = Image.open(io.BytesIO(message[8:])).size
        assert height * 3 == width * 4  # of the person alone, in the shape of what is made
    first, *_, before, last = pictures
    assert np.abs(last - before).mean() < np.abs(last - first).mean()  # it settles


def test_cancel_is_heeded_within_a_step(server, prompt):
    """At 1024x768 a step of the demo model takes seconds."""
    big = prompt("try_on_basic", width=768, height=1024, steps=50, seed=8)
    steps = []

    def second(kind, data):
        if kind == "progress":
            steps.append(data["value"])
        return kind == "progress" and data["value"] == 1

    run = server.run(big, interrupt=second)
    assert run.status == "interrupted"
    assert max(steps) <= 2


def test_an_unchanged_loader_is_not_run_again(server, prompt):
    server.run(prompt("try_on_basic", seed=9))
    run = server.run(prompt("try_on_basic", seed=10))
    loaders = {number for number, node in prompt("try_on_basic").items() if node["class_type"] == "CatVTONLoad"}
    assert loaders <= set(run.of("execution_cached")[0]["nodes"])


def test_two_workflows_in_turn(server, prompt):
    for name in ("try_on_basic", "mask_by_category", "try_on_basic", "outfit"):
        assert server.run(prompt(name, seed=11)).status == "success"


def test_memory_is_flat_over_many_runs(server, prompt):
    for seed in range(100, 105):
        server.run(prompt("try_on_basic", seed=seed, steps=1))
    before = server.memory
    for seed in range(200, 220):
        assert server.run(prompt("try_on_basic", seed=seed, steps=1)).status == "success"
    assert server.memory - before < 60e6


def test_after_free_it_runs_again(server, prompt):
    assert server.run(prompt("try_on_basic", seed=12)).status == "success"
    assert server.post("/free", {"unload_models": True, "free_memory": True})[0] == 200
    assert server.run(prompt("try_on_basic", seed=12)).status == "success"


def test_after_free_it_runs_again_where_another_workflow_ran_between(server, prompt):
    """That one takes the loader's output out of ComfyUI's cache, and the loaded model is then held by nothing else."""
    run = prompt("try_on_basic", seed=13)
    number, loader = next((number, node) for number, node in run.items() if node["class_type"] == "LoadImage")
    other = {number: loader, "999": {"class_type": "PreviewImage", "inputs": {"images": [number, 0]}}}
    for workflow in (run, other):
        assert server.run(workflow).status == "success"
    assert server.post("/free", {"unload_models": True, "free_memory": True})[0] == 200
    for workflow in (other, run):
        assert server.run(workflow).status == "success"


def test_free_gives_the_memory_of_the_weights_back(start, base, prompt, monkeypatch):
    """Measured where the C library returns what is freed at once, and the pictures are too small to count."""
    for name in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"):
        monkeypatch.setenv(name, "65536")
    Image.open(ROOT / "example_inputs" / "catvton_person_masked.png").resize((48, 64)).save(
        base / "input" / "small.png"
    )
    run = prompt("try_on_basic", width=64, height=64, steps=1)
    for node in run.values():
        if node["class_type"] == "LoadImage":
            node["inputs"]["image"] = "small.png"
    weights = sum(file.stat().st_size for file in (Path(catvton.__file__).parent / "demo").rglob("*.safetensors"))
    given_back = []
    with start(base) as server:
        for _ in range(2):  # what the first run imports stays
            assert server.run(run).status == "success"
            loaded = server.memory
            until = time.monotonic() + 20
            while loaded - server.memory < weights and time.monotonic() < until:
                # Asked again, for the server misses what comes while it collects garbage after a run: it then waits for
                # the next prompt.
                assert server.post("/free", {"unload_models": True, "free_memory": True})[0] == 200
                time.sleep(1)
            given_back.append(loaded - server.memory)
    # The files hold 16 bits for a weight, the memory of a CPU 32.
    assert min(given_back) > weights, given_back


def test_a_mask_that_is_missing_is_asked_for(server, prompt):
    run = server.run(prompt("try_on_basic", mask=None))
    assert run.status == "error"
    assert run.error["exception_type"] == "ValueError"
    assert "a masked model needs one: white where to repaint" in run.error["exception_message"]


def test_values_out_of_range_are_refused_before_the_run(server, prompt):
    run = server.run(prompt("try_on_basic", steps=100000))
    assert run.status == "rejected"
    assert "bigger than max" in json.dumps(run.error)


def test_without_the_engine_nodes_register_and_say_what_to_do(start, base, info):
    """An environment in which the package cannot be imported."""
    blocked = base.parent / f"{base.name}-blocked"
    shutil.copytree(base / "custom_nodes", blocked / "custom_nodes")
    shutil.copytree(base / "input", blocked / "input")
    extra = blocked / "custom_nodes" / "a_hides_catvton.py"
    extra.write_text("import sys\nsys.modules['catvton'] = None\nNODE_CLASS_MAPPINGS = {}\n")
    with start(blocked) as server:
        assert server.get("/object_info").keys() >= NODES
        workflow = json.loads((ROOT / "workflows" / "try_on_basic.json").read_text(encoding="utf-8"))
        run = server.run(to_api(workflow, info))
        assert run.status == "error"
        assert "install.py" in run.error["exception_message"]
