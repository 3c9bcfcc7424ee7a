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
    ("version", "escaping", "errors", "choices", "units", "inputs", "call_arguments", "input_files",
     "other_tools", "argument_types", "python_wording", "public_calls", "results",
     "run_config"),
    ("symbols",),
    ("trace",),
    ("operators",),
    ("fast_meta",),
    ("tracing", "render"),
    ("analysis",),
    ("models", "explanation"),
    ("diagnosis",),
    ("linting",),
    ("pipeline",),
    ("comparison", "memory_usage", "rooflines", "static_parameters", "verification"),
    ("bench", "symbolic"),
    ("inference",),
    ("api",),
    ("cli", "__main__"),
    ("notebook",),
    ("__init__",),
]  # fmt: skip
STDLIB_ONLY = (
    "version", "escaping", "errors", "choices", "units", "inputs", "call_arguments", "input_files",
    "other_tools", "argument_types", "python_wording", "public_calls", "run_config", "symbols",
    "fast_meta.torch_import",
)  # fmt: skip
WITHOUT_TORCH = (
    "version", "escaping", "errors", "choices", "units", "inputs", "call_arguments", "input_files",
    "other_tools", "argument_types", "python_wording", "public_calls", "results", "run_config",
    "symbols", "trace", "operators", "render", "analysis",
    "explanation", "api", "cli", "models.saved", "models.model_sources", "models.pyproject",
    "models.user_names", "models.listing", "models.name_cache", "models.zoo.catalog",
    "models.foreign_files", "models.hub", "models.known_names", "models.shipped_names",
    "models.source_scan", "models.spec_resolution", "models.layer_names", "models.not_found",
    "models.missing_files",
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


def circles_of(needs: dict[str, set[str]]) -> set[str]:
    """Those that need themselves through others."""

    def reached(start: str) -> set[str]:
        found, left = set[str](), [start]
        while left:
            left += needs[left.pop()] - found
            found |= set(left)
        return found

    return {name for name in list(needs) if name in reached(name)}


@pytest.mark.parametrize("folder", ["", "models", "tracing"])
def test_rooms_form_no_circle(folder: str) -> None:
    """Over all imports: those of a function and those for the type checker too."""
    needs: dict[str, set[str]] = defaultdict(set)
    inside = f"{folder}." if folder else ""

    for name, modules in OWN_IMPORTS.items():
        if name.startswith(inside):
            room = room_of(name.removeprefix(inside))
            targets = {room_of(m.removeprefix(inside)) for m in modules if m.startswith(inside)}
            needs[room] |= targets - {room}

    assert circles_of(needs) == set()


_CIRCLES = {"symbols.atoms", "symbols.expressions", "fast_meta", "fast_meta.stand_ins"}
"""An expression contains atoms, which contain expressions; fast_meta imports its parts late."""


def test_files_form_no_circle() -> None:
    needs = defaultdict(set, {name: set(m) - {name} for name, m in OWN_IMPORTS.items()})
    assert circles_of(needs) == _CIRCLES


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


_TEXTS = {"reason", "message", "reason_free", "lane_reason"}
_PROBES = {"startswith", "endswith", "find", "index", "count", "match", "search"}


def is_text(node: ast.expr) -> bool:
    """Whether an expression is a reason or message, as it is or in another case."""
    if isinstance(node, ast.Call):
        called = node.func
        if isinstance(called, ast.Attribute) and called.attr in {"lower", "strip", "casefold"}:
            return is_text(called.value)
        return is_text(called) if isinstance(called, ast.Name | ast.Attribute) else False
    if isinstance(node, ast.BoolOp):  # (reason or "")
        return any(is_text(value) for value in node.values)
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return name in _TEXTS


def branches_on_text(tree: ast.AST) -> Iterator[int]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            is_none = any(isinstance(s, ast.Constant) and s.value is None for s in sides)
            if not is_none and any(is_text(side) for side in sides):
                yield node.lineno
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            asked = node.func.attr in _PROBES
            if asked and any(is_text(side) for side in (node.func.value, *node.args)):
                yield node.lineno


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_nothing_branches_on_the_words_of_a_reason(file: Path) -> None:
    """What code decides by is a value: whoever improves a wording must change no figure."""
    if name_of(file) == "tracing.run.failures":  # reads what torch says, and makes values of it
        return
    found = list(branches_on_text(ast.parse(file.read_text(encoding="utf-8"))))
    assert not found, f"{name_of(file)}, lines {found}"


_MAY_READ = ("operators", "tracing", "models", "fast_meta", "trace")
_OF_SOURCE = ("bench.torch_schedules", 
    "diagnosis.source_text", "diagnosis.syntax", "linting.source_code", "symbols",
    "verification.counters.sandbox", "public_calls",
)  # fmt: skip
"""They read the arguments of calls in Python source, of a model, or of ourselves."""


def raw_reads(tree: ast.AST) -> set[int]:
    """The lines that read arguments of a recorded operator by position or name."""
    return {
        node.lineno for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr in ("args", "kwargs", "arg")
    }  # fmt: skip


def test_only_operators_know_the_order_of_arguments() -> None:
    """The others ask the operator's view (`operators/registry.py`)."""
    found = [
        f"{name_of(file)}:{line}"
        for file in FILES if not is_in(name_of(file), (*_MAY_READ, *_OF_SOURCE))
        for line in sorted(raw_reads(ast.parse(file.read_text(encoding="utf-8"))))
    ]  # fmt: skip
    assert not found, "\n".join(found)


_DIALECT = {
    "afresh", "alike", "apart", "asked", "asks", "beside", "books", "given", "held", "hold",
    "holds", "kept", "letter", "letters", "lie", "lies", "legal", "lost", "made", "own",
    "question", "said", "say", "says", "seen", "slid", "stands", "take", "taken", "takes", "tell",
    "tells", "told", "truth", "wanted", "whole",
}  # fmt: skip
"""Words that the field has better ones for (CONTRIBUTING.md, Names)."""
_WHOLE_NAMES = {"broken", "like"}
_JSON_KEYS = {
    "explanation.results": {"letters"},
    "memory_usage.results": {"held", "held_bytes", "kept_bytes"},
    "symbolic.results": {"letter"},
}
"""Fields that users read in files: they change with `schema_version` only."""


def names_in(tree: ast.AST) -> Iterator[str]:
    """Everything that a file names: classes, functions, parameters, variables, fields."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_names_are_words_of_the_field(file: Path) -> None:
    found = set()
    for name in names_in(ast.parse(file.read_text(encoding="utf-8"))):
        words = {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}
        if words & _DIALECT or name in _WHOLE_NAMES:
            found.add(name)
    assert found == _JSON_KEYS.get(name_of(file), set())
