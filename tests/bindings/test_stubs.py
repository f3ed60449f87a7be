"""The type stubs list what the native module has: no name more, no name less. `make stubs` writes them."""

from __future__ import annotations

import ast
from pathlib import Path
from types import ModuleType

import pytest

import catvton
from catvton._native import C

STUBS = Path(catvton.__file__).parent / "_C"
MODULES = {"__init__": C, **{name: value for name, value in vars(C).items() if isinstance(value, ModuleType)}}
INHERITED = set(dir(object)) | {"__module__", "__static_attributes__", "__firstlineno__", "__dict__", "__weakref__"}


def declared(body: list[ast.stmt]) -> dict[str, ast.stmt]:
    """Functions, classes and annotated variables by name; imports are not among them."""
    names = {}
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
            names[statement.name] = statement
        elif isinstance(statement, ast.AnnAssign):
            names[statement.target.id] = statement
    return names


def public(names) -> set[str]:
    return {name for name in names if not name.startswith("_") or name == "__call__"}


@pytest.mark.parametrize("module", MODULES)
def test_names(module):
    value = MODULES[module]
    stub = declared(ast.parse((STUBS / f"{module}.pyi").read_text()).body)
    have = {name for name in vars(value) if name not in MODULES}
    assert public(stub) == public(have), "run `make stubs`"
    for name, statement in stub.items():
        if isinstance(statement, ast.ClassDef):
            members = set(vars(getattr(value, name))) - INHERITED
            assert public(declared(statement.body)) == public(members), f"{name}: run `make stubs`"


def test_every_module_has_a_stub():
    assert {path.stem for path in STUBS.glob("*.pyi")} == set(MODULES), "run `make stubs`"


def test_the_package_says_that_it_is_typed():
    assert (STUBS.parent / "py.typed").is_file()
