"""The pack as others import it: pytest, builders, and a ComfyUI without anything installed."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PACK = Path(__file__).resolve().parents[2]
SOURCES = [PACK / "__init__.py", *sorted((PACK / "nodes").rglob("*.py"))]
IDS = ["CatVTONLoad", "CatVTONTryOn", "CatVTONOutfit", "CatVTONLabelMap", "CatVTONMaskByCategory", "CatVTONMaskPreview"]


def test_the_entry_imports_nothing_and_exports_two_names(tmp_path):
    script = (
        "import importlib.util, sys\n"
        f"spec = importlib.util.spec_from_file_location('a_pack', {str(PACK / '__init__.py')!r})\n"
        "pack = importlib.util.module_from_spec(spec); before = set(sys.modules)\n"
        "spec.loader.exec_module(pack)\n"
        "assert set(sys.modules) == before, set(sys.modules) - before\n"
        "assert sorted(pack.__all__) == ['WEB_DIRECTORY', 'comfy_entrypoint']\n"
        "assert not hasattr(pack, 'NODE_CLASS_MAPPINGS')\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run([sys.executable, "-c", script], check=True, cwd=tmp_path, env=environment)


def imported(path: Path, *, at_module_level: bool) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = tree.body if at_module_level else ast.walk(tree)
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_one_file_alone_touches_comfyuis_inside(path):
    inside = {"comfy", "folder_paths", "latent_preview", "execution", "server", "nodes"}
    assert path.name == "_comfy.py" or not imported(path, at_module_level=False) & inside


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_the_engine_is_imported_at_first_use(path):
    assert "catvton" not in imported(path, at_module_level=True)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_sources_read_on_windows(path):
    path.read_text(encoding="utf-8").encode("cp1252")


@pytest.mark.parametrize("node", IDS)
def test_every_node_has_help(node):
    for page in (f"{node}.md", f"{node}/zh.md"):
        text = (PACK / "nodes" / "web" / "docs" / page).read_text(encoding="utf-8")
        assert text.startswith("# ") and len(text) > 250, page


def test_lists_that_the_nodes_repeat_are_the_engines():
    from catvton import masks

    source = ast.parse((PACK / "nodes" / "mask_by_category.py").read_text(encoding="utf-8"))
    said = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in source.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.List)
    }
    assert tuple(said["CATEGORIES"]) == masks.CATEGORIES
    assert said["PRESETS"] == [name for name in masks.PRESETS if name not in masks.CATEGORIES]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_input_has_a_translation(language):
    translated = json.loads((PACK / "locales" / language / "nodeDefs.json").read_text(encoding="utf-8"))
    assert sorted(translated) == sorted(IDS)
    for node, texts in translated.items():
        assert texts["display_name"] and texts["description"], node
        for name, entry in texts["inputs"].items():
            assert entry["tooltip"], f"{node}.{name}"
