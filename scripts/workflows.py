"""Writes workflows/: each example as ComfyUI's front end saves it, and as its thumbnail what it really makes.

    python scripts/workflows.py             runs every workflow in the ComfyUI of scripts/comfyui_environment.py

A workflow is written here as nodes with their inputs by name; /object_info of the running server turns that into the
front end's form (order of widgets, slots, links), so the two cannot drift apart.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "nodes"))

from comfyui import PYTHON, SOURCE, Server  # noqa: E402  (the tests' server)
from workflow_form import to_api, widgets  # noqa: E402

SAMPLING = {"steps": 20, "guidance": 1.5, "seed": 42}
LICENCES = (
    "The demo model and the pictures are drawn and trained by this project (Apache-2.0). For real photographs put "
    "SD 1.5 inpainting (CreativeML OpenRAIL-M), sd-vae-ft-mse (MIT) and zhengchong/CatVTON (CC BY-NC-SA 4.0: no "
    "commercial use) from huggingface.co into models/catvton, choose them in Load CatVTON, set steps to 50, guidance "
    "to 2.5."
)
SHOWS_A_PICTURE = {"LoadImage", "SaveImage", "CatVTONLabelMap", "CatVTONMaskPreview"}
WIDTH, GAP, TALLEST = 320, 60, 1300  # of a node, between nodes, of a column


def picture(name: str) -> tuple[str, dict]:
    return "LoadImage", {"image": f"catvton_{name}.png"}


def labels(who: str) -> dict[str, tuple[str, dict]]:
    return {name: ("CatVTONLabelMap", {"image": f"catvton_{who}_{name}.png"}) for name in ("atr", "lip", "densepose")}


def try_on(**inputs: Any) -> tuple[str, dict]:
    return "CatVTONTryOn", {"model": "model", "person": "person", "garment": "garment", **SAMPLING, **inputs}


LOAD = {"model": ("CatVTONLoad", {"base": "demo (built in)"})}
SAVE = {"save": ("SaveImage", {"images": "result", "filename_prefix": "catvton"})}
MAPS = {name: name for name in ("atr", "lip", "densepose")}

# name -> what it does, and its nodes: key -> (type, inputs). An input that is a node's key, or (key, slot), is a link.
WORKFLOWS: dict[str, tuple[str, dict[str, tuple[str, dict]]]] = {
    "try_on_basic": (
        "A garment on a person, in three inputs. The mask is painted into the person's picture: right-click it, Open "
        "in MaskEditor, to change it.",
        {
            **LOAD,
            "person": picture("person_masked"),
            "garment": picture("top_1"),
            "result": try_on(mask=("person", 1)),
            **SAVE,
        },
    ),
    "try_on_with_drawn_mask": (
        "Draw your own mask over the person (right-click, Open in MaskEditor); Mask Preview shows what will be "
        "repainted.",
        {
            **LOAD,
            "person": picture("person_masked"),
            "garment": picture("top_2"),
            "look": ("CatVTONMaskPreview", {"person": "person", "mask": ("person", 1)}),
            "result": try_on(mask=("person", 1)),
            **SAVE,
        },
    ),
    "mask_by_category": (
        "The mask from label maps of the person, by CatVTON's own rule. The maps here are files; any human parser's "
        "node can take their place. Face, hair and hands go into protect.",
        {
            **LOAD,
            "person": picture("person"),
            "garment": picture("top_3"),
            **labels("person"),
            "mask": ("CatVTONMaskByCategory", {"category": "upper", **MAPS}),
            "look": ("CatVTONMaskPreview", {"person": "person", "mask": "mask"}),
            "result": try_on(mask="mask", protect=("mask", 1)),
            **SAVE,
        },
    ),
    "outfit": (
        "Several garments on one person, one after the other: trousers, then a top. Label maps give the masks.",
        {
            **LOAD,
            "person": picture("whole_person"),
            "upper": picture("top_1"),
            "lower": picture("trousers"),
            **labels("whole_person"),
            "result": (
                "CatVTONOutfit",
                {"model": "model", "person": "person", "upper": "upper", "lower": "lower", **MAPS, **SAMPLING},
            ),
            **SAVE,
        },
    ),
    "batch_catalogue": (
        "One person, a catalogue of garments: a batch of garments gives a batch of results, in order.",
        {
            **LOAD,
            "person": picture("person_masked"),
            "first": picture("top_1"),
            "second": picture("top_2"),
            "third": picture("top_3"),
            "pair": ("ImageBatch", {"image1": "first", "image2": "second"}),
            "garment": ("ImageBatch", {"image1": "pair", "image2": "third"}),
            "result": try_on(mask=("person", 1)),
            **SAVE,
        },
    ),
    "person_to_person": (
        "The garment comes from a picture of somebody else who wears it. The demo model was trained on flat garments "
        "only: expect more of the published weights.",
        {
            **LOAD,
            "person": picture("person_masked"),
            "garment": picture("other_person"),
            "result": try_on(mask=("person", 1)),
            **SAVE,
        },
    ),
    "mask_free": (
        "No mask at all. This needs CatVTON's mask-free weights and timbrooks/instruct-pix2pix as the base in "
        "models/catvton: choose the base in Load CatVTON. With the demo model, which is masked, it says that a mask is "
        "missing.",
        {
            **LOAD,
            "person": picture("person"),
            "garment": picture("top_1"),
            "result": try_on(steps=50, guidance=2.5),
            **SAVE,
        },
    ),
}
RUNS_AS_IS = [name for name in WORKFLOWS if name != "mask_free"]


def front_end_form(note: str, nodes: dict[str, tuple[str, dict]], info: dict) -> dict:
    """The JSON (version 0.4) that the front end saves."""
    numbers = {key: number for number, key in enumerate(nodes, 1)}
    columns: dict[str, int] = {}
    for key, (_, inputs) in nodes.items():
        columns[key] = 1 + max((columns[source] for source, _ in _links(inputs, nodes).values()), default=-1)
    made, links = [], []
    for key, (kind, inputs) in nodes.items():
        linked, known = _links(inputs, nodes), info[kind]
        sockets = [name for name in _names(known) if name not in widgets(known)]
        entry = {
            "id": numbers[key],
            "type": kind,
            "pos": [0, 0],
            "size": [WIDTH, 90 + 26 * len(_names(known)) + (220 if kind in SHOWS_A_PICTURE else 0)],
            "flags": {},
            "order": numbers[key],
            "mode": 0,
            "inputs": [{"name": name, "type": _type(known, name), "link": None} for name in sockets],
            "outputs": [
                {"name": name, "type": kind_, "links": [], "slot_index": slot}
                for slot, (name, kind_) in enumerate(zip(known["output_name"], known["output"], strict=True))
            ],
            "properties": {"Node name for S&R": kind},
            "widgets_values": _values(known, inputs),
        }
        made.append(entry)
        for slot, name in enumerate(sockets):
            if name in linked:
                source, source_slot = linked[name]
                output = made[numbers[source] - 1]["outputs"][source_slot]
                links.append([len(links) + 1, numbers[source], source_slot, numbers[key], slot, output["type"]])
                entry["inputs"][slot]["link"] = len(links)
                output["links"].append(len(links))
    _place(made, list(columns.values()))
    made.append(_note(len(made) + 1, f"{note}\n\n{LICENCES}"))
    return {
        "id": str(uuid.uuid5(uuid.NAMESPACE_URL, note)),
        "revision": 0,
        "last_node_id": len(made),
        "last_link_id": len(links),
        "nodes": made,
        "links": links,
        "groups": [],
        "config": {},
        "extra": {},
        "version": 0.4,
    }


def _place(made: list[dict], columns: list[int]) -> None:
    """Gives the nodes their positions, in order: each column stacked, and broken where it would become too tall."""
    x = 0
    for column in sorted(set(columns)):
        y = 260 if column == 0 else 0  # below the note
        for entry in (entry for entry, of in zip(made, columns, strict=True) if of == column):
            if y + entry["size"][1] > TALLEST:
                x, y = x + WIDTH + GAP, 0
            entry["pos"] = [x, y]
            y += entry["size"][1] + GAP
        x += WIDTH + GAP


def _note(number: int, text: str) -> dict:
    return {
        "id": number,
        "type": "MarkdownNote",
        "pos": [0, 0],
        "size": [WIDTH, 220],
        "flags": {},
        "order": 0,
        "mode": 0,
        "inputs": [],
        "outputs": [],
        "properties": {},
        "widgets_values": [text],
    }


def _links(inputs: dict, nodes: dict) -> dict[str, tuple[str, int]]:
    found = {}
    for name, value in inputs.items():
        key, slot = value if isinstance(value, tuple) else (value, 0)
        if isinstance(key, str) and key in nodes:
            found[name] = (key, slot)
    return found


def _names(known: dict) -> list[str]:
    return [name for part in ("required", "optional") for name in known["input_order"].get(part, [])]


def _type(known: dict, name: str) -> str:
    spec = next(known["input"][part][name] for part in ("required", "optional") if name in known["input"].get(part, {}))
    return spec[0]


def _values(known: dict, inputs: dict) -> list[Any]:
    values = []
    for name, default in widgets(known).items():
        values.append(inputs.get(name, default))
        if name == "seed":
            values.append("fixed")  # what happens to it after a run
        if name == "image" and isinstance(values[-1], str):
            values.append("image")  # the upload button
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comfyui", type=Path, default=SOURCE, help="default %(default)s")
    parser.add_argument("--python", type=Path, default=PYTHON)
    args = parser.parse_args()
    out = ROOT / "workflows"
    out.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder)
        (base / "custom_nodes").mkdir()
        (base / "custom_nodes" / "catvton").symlink_to(ROOT)
        with Server(args.comfyui, args.python, base) as server:
            info = server.get("/object_info")
            for name, (note, nodes) in WORKFLOWS.items():
                form = front_end_form(note, nodes, info)
                (out / f"{name}.json").write_text(json.dumps(form, indent=1) + "\n", encoding="utf-8")
                run = server.run(to_api(form, info))
                if run.status != "success":
                    print(f"{name}: {run.status}: {json.dumps(run.error)[:400]}")
                    continue
                thumbnail([Image.open(io.BytesIO(data)) for data in server.images(run)], out / f"{name}.jpg")
                print(f"{name}: {run.seconds:.1f} s")


def thumbnail(pictures: list[Image.Image], path: Path) -> None:
    height = max(picture.height for picture in pictures)
    sheet = Image.new("RGB", (sum(picture.width for picture in pictures), height), "white")
    left = 0
    for picture in pictures:
        sheet.paste(picture.convert("RGB"), (left, 0))
        left += picture.width
    sheet.thumbnail((1200, 768))
    sheet.save(path, quality=88)


if __name__ == "__main__":
    main()
