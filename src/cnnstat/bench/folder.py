"""The folder of a run: configuration, every step when it ends, checkpoints, results.

    config.json   environment.json  steps.jsonl  checkpoint-1.pt …
    summary.json  report.md         curves.svg

Each line of `steps.jsonl` is flushed, and every other file is written under another name and then
renamed: whatever ends the process, the files are readable.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import torch

from ..errors import ModelError, NotFound, OutputError
from ..render import report_of
from ..render.blocks import Curves
from ..render.figures import svg
from ..render.markup import markdown
from ..render.options import EXTENSIONS
from ..results import Record
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

    @property
    def _steps(self) -> Path:
        return self.path / "steps.jsonl"

    def check_new(self) -> None:
        """Raise OutputError if a run cannot start here; called before anything is loaded."""
        if self.path.suffix.lower() in EXTENSIONS:
            raise OutputError(
                f"--output {self.path}: bench writes a folder", hint="--output runs/NAME"
            )
        if (self.path / "config.json").exists():
            raise OutputError(
                f"{self.path} holds a run already", "another name starts a new one",
                hint=f"cnnstat bench --resume {self.path}",
            )  # fmt: skip

    def create(self, job: Job, environment: Environment) -> None:
        """Create the folder.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _unwritable(self.path, error) from error
        self._write("config.json", _json(job))
        self._write("environment.json", _json(environment))
        self._write("steps.jsonl", b"")

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
        try:
            with self._steps.open("ab") as file:
                file.write(msgspec.json.encode(step) + b"\n")
        except OSError as error:
            raise _unwritable(self._steps, error, self.path) from error

    def steps(self, model: str, until: int) -> list[Step]:
        """The steps of a model up to number `until`; later ones are removed from the file."""
        lines, chosen = [], []
        for line in self._steps.read_bytes().splitlines():
            try:
                step = msgspec.json.decode(line, type=Step)
            except msgspec.DecodeError:  # the line that was being written when the process ended
                continue
            if step.model == model and step.step > until:
                continue
            lines.append(line + b"\n")
            chosen += [step] if step.model == model else []
        self._write("steps.jsonl", b"".join(lines))
        return chosen

    def save(self, number: int, checkpoint: Checkpoint) -> None:
        """Save the state of the `number`-th model at the end of an epoch."""
        plain = msgspec.structs.asdict(checkpoint)
        plain["position"] = msgspec.to_builtins(checkpoint.position)
        plain["epochs"] = msgspec.json.encode(checkpoint.epochs).decode()
        draft = self.path / f".checkpoint-{number}.pt"
        try:
            torch.save(plain, draft)
            os.replace(draft, self._checkpoint(number))
        except (OSError, RuntimeError) as error:  # torch raises RuntimeError for a full disk
            draft.unlink(missing_ok=True)
            raise _unwritable(self._checkpoint(number), error, self.path) from error

    def checkpoint(self, number: int) -> Checkpoint | None:
        """The last state of the `number`-th model; None without any."""
        if not self._checkpoint(number).exists():
            return None
        plain = torch.load(self._checkpoint(number), weights_only=True, map_location="cpu")
        position = msgspec.convert(plain.pop("position"), Position)
        epochs = msgspec.json.decode(plain.pop("epochs"), type=tuple[Epoch, ...])
        return Checkpoint(position=position, epochs=epochs, **plain)

    def write(self, result: Benchmark) -> None:
        """Write the summary, the report and its picture."""
        self._write("summary.json", _json(result))
        report = report_of(result)
        pictures = {}
        for block in report.blocks:
            if isinstance(block, Curves):
                pictures[block.key] = f"{block.key}.svg"
                self._write(pictures[block.key], svg(block).encode())
        self._write("report.md", markdown(report, pictures).encode())

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
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    rest = ["what was measured until then is kept"] if run else []
    return OutputError(
        f"cannot write {file}", reason, *rest, hint=f"cnnstat bench --resume {run}" if run else None
    )
