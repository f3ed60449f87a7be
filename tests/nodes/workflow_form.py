"""Workflows in the front end's form, as its own code turns them into what the server runs."""

from __future__ import annotations

from typing import Any

WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def widgets(known: dict) -> dict[str, Any]:
    """Names and defaults of a node's widgets, in order. known: its entry of /object_info."""
    found = {}
    for part in ("required", "optional"):
        for name in known["input_order"].get(part, []):
            kind, *more = known["input"][part][name]
            options = more[0] if more else {}
            choices = kind if isinstance(kind, list) else options.get("options", [])
            if (isinstance(kind, list) or kind in WIDGETS) and not options.get("forceInput"):
                found[name] = options.get("default", choices[0] if choices else None)
    return found


def to_api(form: dict, info: dict) -> dict:
    """The prompt that POST /prompt takes. Notes are left out."""
    sources = {link[0]: [str(link[1]), link[2]] for link in form["links"]}
    prompt = {}
    for node in form["nodes"]:
        if node["type"] in ("MarkdownNote", "Note"):
            continue
        known = info[node["type"]]
        values, inputs = list(node["widgets_values"]), {}
        for name in widgets(known):
            inputs[name] = values.pop(0)
            if name == "seed" or (name == "image" and values[:1] == ["image"]):
                values.pop(0)
        assert not values, f"{node['type']}: {values} belong to no widget"
        inputs |= {slot["name"]: sources[slot["link"]] for slot in node["inputs"] if slot["link"] is not None}
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt
