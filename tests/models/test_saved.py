"""Saved analyses that fit the schema and make no sense."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cnnstat
from cnnstat.cli.main import run

Json = dict[str, Any]


def window(key: str, sizes: list[int]) -> Callable[[Json], object]:
    return lambda saved: saved["layers"][1]["window"].update({key: sizes})


DEFECTS: list[tuple[Callable[[Json], object], str]] = [  # (a change, what is said)
    (lambda saved: saved["layers"].clear(), "there are none"),
    (lambda saved: saved["layers"].reverse(), "the first one is the model itself"),
    (lambda saved: saved["layers"].pop(0), "layers[0] (conv1): the first one"),
    (lambda saved: saved["layers"].append(saved["layers"][0]), "depth 0 follows depth 1"),
    (lambda saved: saved["layers"][2].update(depth=5), "depth 5 follows depth 1"),
    (lambda saved: saved["inputs"].clear(), "inputs: there are none"),
    (lambda saved: saved["layers"][1].update(macs=-1), "layers[1] (conv1).macs: -1 is no count"),
    (lambda saved: saved["totals"].update(params=10**400), "totals.params: too large"),
    (lambda saved: saved["layers"][1].update(outputs=[[1, -6]]), ".outputs: -6 is no count"),
    (lambda saved: saved["layers"][1].update(inputs=[]), "without dimensions"),
    (window("kernel", [0, 0]), "a window with the kernel 0×0"),
    (window("stride", [0, 1]), "a window with the stride 0×1"),
    (window("dilation", [1]), "differ in dimensions"),
]


@pytest.fixture(scope="module")
def saved() -> str:
    from cnnstat.render import render

    return render(cnnstat.analyze("lenet"), "json").text


@pytest.mark.parametrize(("change", "says"), DEFECTS)
def test_a_contradiction_is_one_error(
    saved: str, change: Callable[[Json], object], says: str, tmp_path: Path, capsys
) -> None:
    content = json.loads(saved)
    change(content)
    file = tmp_path / "run.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    for command in (["shapes"], ["explain"], ["compare", "lenet"]):
        words = [*command, str(file), *(["conv1"] if command == ["explain"] else [])]
        assert run(words) == 1
        message = capsys.readouterr().err
        assert "contradicts itself" in message
        assert says in message


def test_lists_in_lists_without_end(tmp_path: Path, capsys) -> None:
    file = tmp_path / "run.json"
    file.write_text("[" * 100_000, encoding="utf-8")
    assert run(["shapes", str(file)]) == 1
    assert "is no JSON" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_as_a_shell_of_windows_writes_it(saved: str, encoding: str, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    file.write_bytes(saved.encode(encoding))
    assert cnnstat.analyze(str(file)) == cnnstat.analyze("lenet")
