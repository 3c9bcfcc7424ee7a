"""The layout as tests: who may import whom, who may import torch, how files are called."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "cnnstat"

# From the ground to the roof: a file imports only from its own floor or from those above it here.
FLOORS = [
    ("version", "errors", "choices", "units", "inputs", "results", "run_config"),
    ("symbols",),
    ("trace",),
    ("operators",),
    ("fast_meta",),
    ("tracing", "render"),
    ("analysis",),
    ("models", "explanation"),
    ("diagnosis",),
    ("pipeline",),
    ("comparison", "memory_usage", "rooflines", "verification"),
    ("bench", "symbolic"),
    ("api",),
    ("cli", "__main__"),
    ("__init__",),
]
STDLIB_ONLY = ("version", "errors", "choices", "units", "inputs", "run_config", "symbols",
               "fast_meta.garbage", "fast_meta.torch_import")  # fmt: skip
WITHOUT_TORCH = (
    "version", "errors", "choices", "units", "inputs", "results", "run_config", "symbols", "trace",
    "operators", "render", "analysis", "explanation", "api", "cli", "models.saved",
    "models.names", "models.pyproject", "models.user_names", "models.listing",
    "models.zoo.catalog",
)  # fmt: skip
FILES = sorted(SOURCE.rglob("*.py"))


class Import(NamedTuple):
    """A module that a file imports; our own are named without `cnnstat`."""

    module: str
    is_own: bool


def name_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def room_of(module: str) -> str:
    return module.partition(".")[0]


def floor_of(module: str) -> int:
    floors = [number for number, rooms in enumerate(FLOORS) if room_of(module) in rooms]
    assert floors, f"{module} is on no floor: add it to FLOORS"
    return floors[0]


def is_in(module: str, places: tuple[str, ...]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def imports_of(file: Path) -> Iterator[Import]:
    package = list(file.relative_to(SOURCE).parts[:-1])
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield Import(node.module or "", False)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1]
            base += node.module.split(".") if node.module else []
            for alias in node.names:
                path = SOURCE.joinpath(*base, alias.name)
                is_module = path.is_dir() or path.with_suffix(".py").exists()
                yield Import(".".join([*base, alias.name] if is_module else base), True)


OWN_IMPORTS = {
    name_of(file): [module for module, is_own in imports_of(file) if is_own] for file in FILES
}


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_point_to_the_ground(file: Path) -> None:
    name = name_of(file)
    for module in OWN_IMPORTS[name]:
        assert floor_of(module) <= floor_of(name), f"{name} imports {module}, a floor above it"


def test_folders_form_no_circle() -> None:
    """Over all imports: those of a function and those for the type checker too."""
    needs: dict[str, set[str]] = defaultdict(set)
    for name, modules in OWN_IMPORTS.items():
        needs[room_of(name)] |= {room_of(m) for m in modules} - {room_of(name)}

    for room in list(needs):
        reached, left = set[str](), [room]
        while left:
            left += needs[left.pop()] - reached
            reached |= set(left)
        assert room not in reached, f"{room} imports itself through others"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_torch_stays_where_it_belongs(file: Path) -> None:
    name = name_of(file)
    if not is_in(name, WITHOUT_TORCH) and file.stem not in ("results", "view"):
        return
    text = file.read_text(encoding="utf-8")
    if name in ("models.zoo.catalog", "api"):  # name a type of torch's for the type checker only
        assert "if TYPE_CHECKING:\n    from torch" in text
        assert len(re.findall(r"^\s*(?:from|import) torch\b", text, re.MULTILINE)) == 1
        return
    for node in ast.walk(ast.parse(text)):
        modules = [node.module] if isinstance(node, ast.ImportFrom) and not node.level else []
        modules += [a.name for a in node.names] if isinstance(node, ast.Import) else []
        assert not any((m or "").split(".")[0] == "torch" for m in modules), f"{name} imports torch"


def test_floors_name_what_exists() -> None:
    rooms = {room_of(name_of(file)) for file in FILES}
    assert rooms == {room for floor in FLOORS for room in floor}
    names = {name_of(file) for file in FILES}
    for place in (*STDLIB_ONLY, *WITHOUT_TORCH):
        assert any(is_in(name, (place,)) for name in names), place


def test_the_ground_needs_the_standard_library_alone() -> None:
    for file in FILES:
        for module, is_own in imports_of(file) if is_in(name_of(file), STDLIB_ONLY) else ():
            is_standard = module.split(".")[0] in sys.stdlib_module_names
            assert is_standard or (is_own and is_in(module, STDLIB_ONLY)), (name_of(file), module)


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_no_name_says_nothing(file: Path) -> None:
    assert file.stem not in {"utils", "util", "common", "helpers", "helper", "manager", "misc"}
