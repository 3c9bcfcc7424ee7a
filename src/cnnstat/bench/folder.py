"""The folder of a run: configuration, every step when it ends, checkpoints, results.

    config.json   environment.json  steps.jsonl  checkpoint-1.pt …
    summary.json  report.md         report.html  curves.svg   checksums.json

Each line of `steps.jsonl` is flushed, and every other file is written under another name and then
renamed: whatever ends the process, the files are readable.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import torch

from ..errors import ModelError, NotFound, OutputError, text_of
from ..render import report_of
from ..render.blocks import Curves
from ..render.figures import svg
from ..render.html import render as html
from ..render.markup import markdown
from ..render.options import EXTENSIONS
from ..results import Record
from .integrity import STEPS, Checksums, FolderLock, Version, loaded, sha256_of
from .results import Benchmark, Environment, Epoch, Job, Step
from .schedule import Position

_T = TypeVar("_T", bound=Record)


class Checkpoint(msgspec.Struct, frozen=True):
    """The state of the training of a model at the end of an epoch."""

    position: Position
    epochs: tuple[Epoch, ...]
    batch_size: int
    state: dict[str, Any]
    """Of the model, the optimizer and the precision."""


class RunFolder:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = FolderLock(path)
        self._checksums = Checksums(path, self._write)
        self._step_bytes, self._digest = 0, hashlib.sha256()

    @property
    def _steps(self) -> Path:
        return self.path / STEPS

    def check_new(self) -> None:
        """Raise OutputError if a run cannot start here; called before anything is loaded."""
        if self.path.suffix.lower() in EXTENSIONS:
            raise OutputError(
                f"--output {self.path}: bench writes a folder", hint="--output runs/NAME"
            )
        if (self.path / "config.json").exists():
            self.lock.acquire()  # raises if another process is training into it
            self.lock.release()
            raise self._occupied()

    def _occupied(self) -> OutputError:
        return OutputError(
            f"{self.path} holds a run already", "another name starts a new one",
            hint=f"cnnstat bench --resume {self.path}",
        )  # fmt: skip

    def create(self, job: Job, environment: Environment) -> None:
        """Create the folder, and lock it.

        Raises:
            OutputError: it cannot be written, or another process was faster.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self.lock.acquire()
        if self._has("config.json"):
            raise self._occupied()
        self.write_job(job)
        self._write("environment.json", _json(environment))
        self._write_steps(b"")

    def write_job(self, job: Job) -> None:
        """Write the configuration."""
        self._write_checked("config.json", _json(job))

    def open(self) -> None:
        """Lock the folder of a run, and check that everything in it is what was written.

        Raises:
            NotFound: the folder contains no run.
            OutputError: another process is training into it.
            ModelError: a file is missing or damaged.
        """
        if not self._has("config.json"):
            self.job()  # raises
        self.lock.acquire()
        self._checksums.read_checked()
        content = self._steps.read_bytes()
        self._step_bytes, self._digest = len(content), hashlib.sha256(content)

    def job(self) -> Job:
        """Read the configuration of the run.

        Raises:
            ModelError: the folder contains no run.
        """
        return self._read("config.json", Job)

    def result(self) -> Benchmark | None:
        """The results so far; None if no model is finished."""
        return self._read("summary.json", Benchmark) if self._has("summary.json") else None

    def add(self, step: Step) -> None:
        """Append a step to `steps.jsonl`."""
        line = msgspec.json.encode(step) + b"\n"
        try:
            with self._steps.open("ab") as file:
                file.write(line)
            self._step_bytes += len(line)
            self._digest.update(line)
        except OSError as error:
            raise _unwritable(self._steps, error, self.path) from error

    def steps(self, model: str, until: int) -> list[Step]:
        """The steps of a model up to number `until`; later ones are removed from the file."""
        lines, chosen = [], []
        if not self._steps.exists():
            raise ModelError(f"{self._steps} is missing: the run is not resumed")
        for line in self._steps.read_bytes().splitlines():
            try:
                step = msgspec.json.decode(line, type=Step)
            except msgspec.DecodeError:  # the line that was being written when the process ended
                continue
            if step.model == model and step.step > until:
                continue
            lines.append(line + b"\n")
            chosen += [step] if step.model == model else []
        self._write_steps(b"".join(lines))
        return chosen

    def _write_steps(self, content: bytes) -> None:
        self._write(STEPS, content)
        self._step_bytes, self._digest = len(content), hashlib.sha256(content)

    def save(self, number: int, checkpoint: Checkpoint) -> None:
        """Save the state of the `number`-th model at the end of an epoch."""
        plain = msgspec.structs.asdict(checkpoint)
        plain["position"] = msgspec.to_builtins(checkpoint.position)
        plain["epochs"] = msgspec.json.encode(checkpoint.epochs).decode()
        draft = self.path / f".checkpoint-{number}.pt"
        try:
            torch.save(plain, draft)
            steps = self._step_bytes, self._digest.hexdigest()
            name = self._checkpoint(number).name
            self._checksums.announce(name, Version(sha256_of(draft), *steps))
            os.replace(draft, self._checkpoint(number))
            self._checksums.confirm(name)
        except (OSError, RuntimeError) as error:  # torch raises RuntimeError for a full disk
            draft.unlink(missing_ok=True)
            raise _unwritable(self._checkpoint(number), error, self.path) from error

    def checkpoint(self, number: int) -> Checkpoint | None:
        """The last state of the `number`-th model; None without any."""
        file = self._checkpoint(number)
        if not file.exists():
            return None

        def read() -> Checkpoint:
            plain = torch.load(file, weights_only=True, map_location="cpu")
            position = msgspec.convert(plain.pop("position"), Position)
            epochs = msgspec.json.decode(plain.pop("epochs"), type=tuple[Epoch, ...])
            return Checkpoint(position=position, epochs=epochs, **plain)

        found: Checkpoint = loaded(read, file)
        return found

    def write(self, result: Benchmark) -> None:
        """Write the summary, the report and its picture."""
        self._write_checked("summary.json", _json(result))
        report = report_of(result)
        pictures = {}
        for block in report.blocks:
            if isinstance(block, Curves):
                pictures[block.key] = f"{block.key}.svg"
                self._write(pictures[block.key], svg(block).encode())
        self._write("report.md", markdown(report, pictures).encode())
        self._write("report.html", html(report).encode())

    def _checkpoint(self, number: int) -> Path:
        return self.path / f"checkpoint-{number}.pt"

    def _has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def _read(self, name: str, kind: type[_T]) -> _T:
        try:
            return msgspec.json.decode((self.path / name).read_bytes(), type=kind)
        except OSError as error:
            raise NotFound(
                f"{self.path} contains no run", f"{name}: {error.strerror}",
                hint=f"cnnstat bench lenet --output {self.path}",
            ) from error  # fmt: skip
        except msgspec.DecodeError as error:
            raise ModelError(f"{self.path / name} cannot be read", str(error)) from error

    def _write_checked(self, name: str, content: bytes) -> None:
        self._checksums.announce(name, Version(hashlib.sha256(content).hexdigest()))
        self._write(name, content)
        self._checksums.confirm(name)

    def _write(self, name: str, content: bytes) -> None:
        draft = self.path / f".{name}.draft"
        try:
            draft.write_bytes(content)
            os.replace(draft, self.path / name)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise _unwritable(self.path / name, error, self.path) from error


def _json(record: Record) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record, enc_hook=repr), indent=2) + b"\n"


def _unwritable(file: Path, error: Exception, run: Path | None = None) -> OutputError:
    reason = getattr(error, "strerror", None) or text_of(error).splitlines()[0]
    rest = ["what was measured until then is kept"] if run else []
    return OutputError(
        f"cannot write {file}", reason, *rest, hint=f"cnnstat bench --resume {run}" if run else None
    )
