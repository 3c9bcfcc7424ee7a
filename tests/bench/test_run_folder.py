"""The folder of a run: damage is refused, and so are two runs in one folder."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import cnnstat
from cnnstat.bench.integrity import Checksums, FolderLock, Version, sha256_of
from cnnstat.cli.main import run
from cnnstat.errors import ModelError, OutputError

NET = """
import torch
from torch import nn
from torch.utils.data import TensorDataset

example_input = (1, 4)
x = torch.arange(80.0).reshape(20, 4)
pairs = TensorDataset(x, (torch.arange(20) % 2))

class Net(nn.Linear):
    def __init__(self, num_classes=2):
        super().__init__(4, num_classes)
"""


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two epochs."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "net.py").write_text(NET)
    before = Path.cwd()
    os.chdir(folder)
    try:
        cnnstat.measure("net.py:Net", data="net.py:pairs", epochs=2, lr=1e-4, output="run")
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def copied(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(finished, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return Path("run")


def flipped(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a flipped bit": flipped,
    "truncated": lambda file: file.write_bytes(file.read_bytes()[:-20]),
    "random": lambda file: file.write_bytes(os.urandom(300)),
    "pickled": lambda file: file.write_bytes(pickle.dumps({"state": os.getcwd})),
    "empty": lambda file: file.write_bytes(b""),
    "missing": lambda file: file.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize(
    "name", ["checkpoint-1.pt", "steps.jsonl", "config.json", "summary.json", "checksums.json"]
)
def test_damage_is_refused(name: str, damage: str, copied: Path) -> None:
    DAMAGE[damage](copied / name)
    if (name, damage) == ("config.json", "missing"):
        with pytest.raises(cnnstat.UsageError, match="run contains no run"):
            cnnstat.resume(copied)
        return
    message = rf"is damaged: it is not resumed\n.*{name}[\s\S]*another output"
    with pytest.raises(ModelError, match=message):
        cnnstat.resume(copied)


def test_what_is_whole_is_resumed(copied: Path) -> None:
    with (copied / "steps.jsonl").open("a") as file:
        file.write('{"model": "net')  # as a process that was killed leaves it
    assert cnnstat.resume(copied).runs[0].steps == 2


def test_a_checkpoint_from_elsewhere_is_refused(copied: Path) -> None:
    torch.save({}, copied / "checkpoint-2.pt")
    with pytest.raises(ModelError, match=r"checkpoint-2.pt was not written by this run"):
        cnnstat.resume(copied)


def test_a_process_may_end_between_two_writes(tmp_path: Path) -> None:
    """Whether it ends before or after a file is replaced, the file has one of two checksums."""

    def write(name: str, content: bytes) -> None:
        (tmp_path / name).write_bytes(content)

    def is_whole() -> bool:
        try:
            Checksums(tmp_path, write).read_checked()
        except ModelError:
            return False
        return True

    sums, file = Checksums(tmp_path, write), tmp_path / "a"
    (tmp_path / "steps.jsonl").write_bytes(b"")
    for content in (b"1", b"2", b"3"):
        before = file.read_bytes() if file.exists() else None
        file.write_bytes(content)
        version = Version(sha256_of(file))
        file.unlink() if before is None else file.write_bytes(before)
        sums.announce("a", version)
        assert is_whole()  # ended before the file was replaced
        file.write_bytes(content)
        assert is_whole()  # or before that was noted
        sums.confirm("a")
        assert is_whole()
    file.write_bytes(b"1")  # older than the last two
    assert not is_whole()
    file.unlink()
    assert not is_whole()


# ---------------------------------------------------------------- two runs in one folder

HOLDS = """
import sys, time
from pathlib import Path
from cnnstat.bench.integrity import FolderLock
lock = FolderLock(Path(sys.argv[1]))
lock.acquire()
print("locked", flush=True)
time.sleep(60)
"""


def test_two_runs_in_one_folder(copied: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("fcntl")
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(copied)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        with pytest.raises(OutputError, match="another process is training into run"):
            cnnstat.resume(copied)
        with pytest.raises(OutputError, match="another process is training into run"):
            cnnstat.measure("net.py:Net", data="net.py:pairs", output=copied)
    finally:
        other.kill()
        other.communicate()
    assert cnnstat.resume(copied).runs[0].status == "finished"  # nothing is left of the lock
    assert run(["bench", "net.py:Net", "--data", "net.py:pairs", "--output", "run"]) == 2
    assert "run holds a run already" in capsys.readouterr().err


def test_the_lock_ends_with_the_run(copied: Path) -> None:
    first, second = FolderLock(copied), FolderLock(copied)
    cnnstat.resume(copied)
    first.acquire()
    with pytest.raises(OutputError):
        second.acquire()
    first.release()
    second.acquire()
    second.release()
