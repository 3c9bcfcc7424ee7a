"""Files that a user names and that have no end, no writer, no content or no target."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cnnstat.cli.main import run
from cnnstat.input_files import read_bytes

SPECS = ["{}.json", "transformers:{}.json", "{}.onnx", "{}.py:Net", "{}.pt2"]


def the_error(capsys: pytest.CaptureFixture[str], spec: str) -> str:
    assert run(["shapes", spec]) in (1, 2)
    message = capsys.readouterr().err
    assert "fault of cnnstat" not in message
    assert "pathlib" not in message
    return message


@pytest.mark.parametrize("spec", SPECS)
def test_a_named_pipe_and_a_device(
    spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    suffix = spec.partition("}")[2].partition(":")[0]
    os.mkfifo(f"pipe{suffix}")
    os.symlink("/dev/zero", f"device{suffix}")
    for name in ("pipe", "device"):
        assert "no regular file" in the_error(capsys, spec.format(name))


@pytest.mark.parametrize("name", ["circle", "folder/net"])
@pytest.mark.parametrize("spec", SPECS)
def test_symbolic_links_in_a_circle(
    spec: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    suffix = spec.partition("}")[2].partition(":")[0]
    os.symlink(f"circle{suffix}", f"circle{suffix}")
    os.symlink("folder", "folder")
    message = the_error(capsys, spec.format(name))
    assert "form a circle" in message or "Too many levels of symbolic links" in message


def test_a_pyproject_without_an_end_is_no_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    os.symlink("/dev/zero", "pyproject.toml")
    assert run(["shapes", "lenet"]) == 0


def test_a_file_larger_than_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "large.json"
    file.write_text("{}")
    assert read_bytes(file) == b"{}"

    def too_large(path: Path) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Path, "read_bytes", too_large)
    with pytest.raises(OSError, match="larger than the memory"):
        read_bytes(file)


def test_a_python_file_that_is_no_source_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with open("net.py", "wb") as file:
        file.truncate(200 * 2**30)  # sparse: it takes no room
    assert the_error(capsys, "net.py:Net").splitlines() == [
        "error: net.py is too large for source code",
        "  its size is 200 GiB, at most 16.0 MiB are read",
    ]
