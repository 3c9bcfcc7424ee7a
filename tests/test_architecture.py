"""The layout as tests: who may import whom, who may import torch, how large files get."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src" / "cnnstat"

# A file imports only from its own row or the rows above it.
ROWS = [
    (
        "version",
        "errors",
        "units",
        "shapes",
        "display",
        "symbols",
        "notation",
        "over",
        "garbage",
        "torch_import",
    ),
    ("tracing.records", "tracing.step_records"),
    ("analysis.records",),
    ("costs",),
    ("analysis",),
    ("reports",),
    ("tracing",),
    ("zoo",),
    ("sources",),
    ("referees",),
    ("diagnosing",),
    ("runs",),
    ("classifying", "api", "sizing", "measuring", "predicting", "devices"),
    ("bench",),
    ("cli", "__main__"),
    ("__init__",),
]
TORCH_ALLOWED = (
    "tracing", "sources", "zoo", "referees", "diagnosing", "runs", "classifying",
    "api", "sizing", "measuring", "predicting", "bench",
)  # fmt: skip
TORCH_FORBIDDEN = (
    "tracing.records", "tracing.step_records", "zoo.catalog", "sources.saved", "sources.names",
    "sources.project", "sources.own", "sources.listing",
)  # fmt: skip
FILES = sorted(SOURCE.rglob("*.py"))


def name_of(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def row_of(module: str) -> int:
    """The row whose longest entry is `module` or a package around it."""
    matches = [
        (len(entry), row)
        for row, entries in enumerate(ROWS)
        for entry in entries
        if module == entry or module.startswith(f"{entry}.")
    ]
    assert matches, f"{module} stands in no row: add it to ROWS"
    return max(matches)[1]


def imports_of(file: Path) -> list[tuple[str, bool]]:
    """Each imported module, `cnnstat`'s own without its name, and whether it is our own."""
    package = ["", *file.relative_to(SOURCE).parts[:-1]]
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, False) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append((node.module or "", False))
        elif isinstance(node, ast.ImportFrom):
            base = [part for part in package[: len(package) - node.level + 1] if part]
            base += node.module.split(".") if node.module else []
            # `from ..analysis import classifier` imports a module, `from ..errors import X` a name
            for alias in node.names:
                path = [*base, alias.name]
                is_module = (SOURCE.joinpath(*path)).is_dir() or SOURCE.joinpath(*path).with_suffix(
                    ".py"
                ).exists()
                found.append((".".join(path if is_module else base), True))
    return found


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_imports_point_upwards(file: Path) -> None:
    own_row = row_of(name_of(file))
    for module, own in imports_of(file):
        if own:
            assert row_of(module) <= own_row, f"{name_of(file)} imports {module}, a row below it"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_torch_stays_where_it_belongs(file: Path) -> None:
    name = name_of(file)
    allowed = name.startswith(TORCH_ALLOWED) and not name.startswith(TORCH_FORBIDDEN)
    uses_torch = any(module.split(".")[0] == "torch" for module, own in imports_of(file) if not own)
    if name in ("zoo.catalog",):  # names a type of torch's for the type checker only
        assert "if TYPE_CHECKING:\n    from torch" in file.read_text(encoding="utf-8")
        return
    assert allowed or not uses_torch, f"{name} imports torch"


def test_rows_name_what_exists() -> None:
    modules = {name_of(file) for file in FILES}
    for entries in ROWS:
        for entry in entries:
            assert any(m == entry or m.startswith(f"{entry}.") for m in modules), entry


def test_the_first_row_is_stdlib_only() -> None:
    import sys

    for file in FILES:
        name = name_of(file)
        for module, own in imports_of(file) if row_of(name) == 0 else ():
            assert own or module.split(".")[0] in sys.stdlib_module_names, f"{name}: {module}"


@pytest.mark.parametrize("file", FILES, ids=name_of)
def test_no_name_says_nothing(file: Path) -> None:
    assert file.stem not in {"utils", "util", "common", "helpers", "helper", "manager", "misc"}
