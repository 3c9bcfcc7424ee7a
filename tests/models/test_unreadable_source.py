"""Files named `.py` that are no text, or text in another encoding than Python expects."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from cnnstat.cli.main import run

Capture = pytest.CaptureFixture[str]
NET = """from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.narrow = nn.Linear(4, 2)
        self.wide = nn.Linear(3, 2)

    def forward(self, x):
        return self.wide(self.narrow(x))
"""
UTF_16 = "error: net.py is text in UTF-16, which Python does not read\n  save it as UTF-8"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


UNREADABLE = [
    (NET.encode("utf-16"), UTF_16),
    (NET.encode("utf-16-le"), UTF_16),
    (NET.encode("utf-32"), "error: net.py is text in UTF-32, which Python does not read\n"),
    (NET.encode() + b"\0", "error: net.py is no Python source: line 11 has a null byte\n"),
    (bytes(64), "error: net.py is no Python source: all its bytes are 0\n"),
    (gzip.compress(NET.encode()), "error: net.py is a gzip archive, not Python source\n"),
    (b"\x80\x04\x95\x10", "error: net.py is a pickle, not Python source\n"),
    (
        NET.encode() + "name = 'größe'".encode("latin-1"),
        "error: net.py is not UTF-8: the byte 0xf6 in line 11\n"
        "  save it as UTF-8, or declare its encoding in the first line, such as # -*- coding",
    ),
    (
        b"# coding: nosuch\n" + NET.encode(),
        "error: net.py declares an encoding that Python does not have: nosuch\n",
    ),
    (b"# coding: rot13\n" + NET.encode(), "error: net.py declares the encoding rot13"),
    (
        b"\xef\xbb\xbf# coding: latin-1\n" + NET.encode(),
        "error: net.py begins with the mark of UTF-8 and declares another encoding\n",
    ),
]


@pytest.mark.parametrize(("content", "message"), UNREADABLE, ids=[m[7:60] for _, m in UNREADABLE])
def test_the_file_and_its_fault_are_named(content: bytes, message: str, capsys: Capture) -> None:
    Path("net.py").write_bytes(content)
    assert run(["shapes", "net.py:Net", "--input", "1,4"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(message)


@pytest.mark.parametrize("spec", ["net.py", "./net.py", "importing.py:Net", "pack.net:Net"])
def test_however_it_is_reached(spec: str, capsys: Capture) -> None:
    Path("pack").mkdir()
    for file in ("net.py", "pack/net.py"):
        Path(file).write_bytes(NET.encode("utf-16"))
    Path("importing.py").write_text("from pack import net\n")
    assert run(["lint", spec]) == 1
    err = capsys.readouterr().err
    assert "net.py is text in UTF-16" in err
    assert "null bytes" not in err


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8-sig"])
def test_a_fix_keeps_the_encoding(encoding: str, capsys: Capture) -> None:
    declared = "# -*- coding: latin-1 -*-\n" if encoding == "latin-1" else ""
    before = f"{declared}# größe\n{NET}"
    Path("net.py").write_bytes(before.encode(encoding))
    assert run(["shapes", "net.py:Net", "--input", "1,4", "--fix"]) == 0
    after = Path("net.py").read_bytes().decode(encoding)
    assert after == before.replace("nn.Linear(3, 2)", "nn.Linear(2, 3)")
    assert Path("net.py.orig").read_bytes() == before.encode(encoding)


def test_a_comment_in_another_encoding_is_no_obstacle(capsys: Capture) -> None:
    """Python imports such a file; its diagnosis reads it again."""
    Path("net.py").write_bytes(f"# größe\n{NET}".encode("latin-1"))
    assert run(["shapes", "net.py:Net", "--input", "1,4"]) == 1
    assert "error: shapes don't fit at wide" in capsys.readouterr().err
