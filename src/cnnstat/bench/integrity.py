"""What keeps the folder of a run whole: checksums of what a resumed run reads, and a lock.

`checksums.json` has for each file the SHA-256 of its last two versions. The new one is written
before the file is replaced: whenever the process ends, the file has one of both. A checkpoint's
entry also has the length and the checksum of `steps.jsonl` at that moment, which grows after it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from ..errors import ModelError, OutputError

try:
    import fcntl
except ImportError:  # Windows has no such lock
    fcntl = None  # type: ignore[assignment]  # where it exists, it is a module

CHECKSUMS = "checksums.json"
STEPS = "steps.jsonl"
_VERSIONS = 2
_BLOCK = 2**20


class Version(msgspec.Struct, frozen=True):
    """A version of a file; of a checkpoint with the steps until it.

    It is `written` once the file has been replaced.
    """

    sha256: str
    step_bytes: int = 0
    steps_sha256: str = ""
    written: bool = False


class Checksums:
    """The checksums of a folder; `write` writes a file of it."""

    def __init__(self, folder: Path, write: Callable[[str, bytes], None]) -> None:
        self.folder = folder
        self.write = write
        self.known: dict[str, tuple[Version, ...]] = {}

    def announce(self, name: str, version: Version) -> None:
        """Note the next version of a file, which is then written."""
        self.known[name] = (version, *self.known.get(name, ()))[:_VERSIONS]
        self._save()

    def confirm(self, name: str) -> None:
        """Note that the file has been replaced by its announced version."""
        newest, *others = self.known[name]
        self.known[name] = (msgspec.structs.replace(newest, written=True), *others)
        self._save()

    def _save(self) -> None:
        self.write(CHECKSUMS, msgspec.json.format(msgspec.json.encode(self.known), indent=2))

    def read_checked(self) -> None:
        """Read the checksums and compare every file.

        Raises:
            ModelError: one is missing, or differs.
        """
        try:
            content = (self.folder / CHECKSUMS).read_bytes()
            self.known = msgspec.json.decode(content, type=dict[str, tuple[Version, ...]])
        except FileNotFoundError as error:
            raise self._damaged(f"{CHECKSUMS} is missing") from error
        except (OSError, msgspec.DecodeError) as error:
            raise self._damaged(f"{CHECKSUMS} cannot be read: {error}") from error
        for name, versions in self.known.items():
            self._check(name, versions)
        for file in self.folder.glob("checkpoint-*.pt"):
            if file.name not in self.known:
                raise self._damaged(f"{file.name} was not written by this run")

    def _check(self, name: str, versions: tuple[Version, ...]) -> None:
        try:
            found = sha256_of(self.folder / name)
        except FileNotFoundError as error:
            if not any(version.written for version in versions):  # the process ended before it was
                return
            raise self._damaged(f"{name} is missing") from error
        version = next((each for each in versions if each.sha256 == found), None)
        if version is None:
            raise self._damaged(f"{name} is not what was written: its checksum differs")
        try:
            steps = sha256_of(self.folder / STEPS, version.step_bytes)
        except FileNotFoundError as error:
            raise self._damaged(f"{STEPS} is missing") from error
        if version.step_bytes and steps != version.steps_sha256:
            raise self._damaged(
                f"{STEPS} is not what was written until {name}: its checksum differs"
            )

    def _damaged(self, reason: str) -> ModelError:
        return ModelError(
            f"the run in {self.folder} is damaged: it is not resumed", reason,
            hint="another --output, which starts anew",
        )  # fmt: skip


def sha256_of(file: Path, size: int | None = None) -> str:
    """The SHA-256 of a file, or of its first `size` bytes."""
    digest = hashlib.sha256()
    left = file.stat().st_size if size is None else size
    with file.open("rb") as opened:
        while left > 0 and (block := opened.read(min(_BLOCK, left))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest()


class FolderLock:
    """A lock on a folder, which ends with the process that has it, however it ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file: int | None = None

    def acquire(self) -> None:
        """Lock the folder.

        Raises:
            OutputError: another process has it.
        """
        if fcntl is None or self._file is not None:
            return
        file = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(file)
            raise OutputError(
                f"another process is training into {self.folder}",
                "its steps and checkpoints would be mixed with those of this run",
                hint="--output with another name, or wait until it ends",
            ) from error
        except OSError:  # a file system without locks
            os.close(file)
            return
        self._file = file

    def release(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


def loaded(read: Callable[[], Any], file: Path) -> Any:
    """What `read` returns of a file whose checksum was right.

    Raises:
        ModelError: another version of torch or of cnnstat cannot read it.
    """
    try:
        return read()
    except Exception as error:  # torch raises many types for what it cannot read
        reason = str(error).splitlines()
        raise ModelError(f"{file} cannot be read", *reason[:1]) from error
