"""Whether the fixes that a diagnosis lists are those that people accepted.

A `Mistake` is a file that does not work and the files that would be right instead. A listed fix is
the accepted one if the file with it computes the same function as one of these: they run on the
CPU, in plain PyTorch, with the same numbers in all parameters of the same shape, also on a batch of
twice the size. A listed fix is misleading if it runs and the output has another shape, the batch
is hard-coded, the window of a convolution or pooling is another one, or the input is.
"""

from __future__ import annotations

import contextlib
import io
import json
import shlex
import sys
import time
import traceback
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from cnnstat.cli.main import run
from cnnstat.inputs import InputSpec, parse_input
from cnnstat.models.torchvision_import import make_importable

WINDOWS = ("kernel_size", "stride", "padding", "dilation", "groups")


@dataclass(frozen=True)
class Program:
    """A file with the class that is run, its options on the command line, and the mode."""

    source: str
    target: str
    options: str = ""


@dataclass(frozen=True)
class Mistake:
    """`accepted` is empty if nothing plain mends it; `is_silent` if it runs."""

    name: str
    kind: str
    broken: Program
    accepted: tuple[Program, ...]
    is_silent: bool = False


@dataclass(frozen=True)
class Verdict:
    """`rank` is that of the accepted fix, from 0; `misleading` are the edits that are."""

    mistake: Mistake
    place: bool
    rank: int | None
    edits: tuple[str, ...]
    misleading: tuple[str, ...]
    seconds: float
    text: str

    @property
    def is_first(self) -> bool:
        """Whether the accepted fix comes first; of a mistake that runs, that help is printed."""
        if self.mistake.is_silent:
            return "help: " in self.text or "fix: " in self.text
        return self.rank == 0 if self.mistake.accepted else not self.edits


def judge(mistake: Mistake, folder: Path) -> Verdict:
    """Diagnose the broken file, and compare what is listed with what is accepted."""
    program = mistake.broken
    file = folder / f"{mistake.name}.py"
    file.write_text(program.source)
    begun = time.process_time()
    if mistake.is_silent:
        record, text = {}, _linted(file, program)
    else:
        record, text = _diagnosed(file, program)
    seconds = time.process_time() - begun
    faults = record.get("errors", [])
    lines = _right_lines(mistake)
    named = {int(n) for n in _lines_named(faults[:1], text, file.name)}
    mended = _mended(program, faults)
    edits = tuple(edit for edit, _ in mended)
    runs = [executed(accepted) for accepted in mistake.accepted]
    same = [is_accepted(listed, runs) for _, listed in mended]
    misleading = tuple(
        f"{edit}: {why}" for number, (edit, listed) in enumerate(mended)
        if not same[number] and (why := why_misleading(listed, mistake, runs, number))
    )  # fmt: skip
    rank = same.index(True) if True in same else None
    return Verdict(mistake, bool(lines & named), rank, edits, misleading, seconds, text)


def _linted(file: Path, program: Program) -> str:
    """What `cnnstat lint` prints of a mistake that runs."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        run(["lint", f"{file}:{program.target}", *shlex.split(program.options)])
    return out.getvalue()


def _diagnosed(file: Path, program: Program) -> tuple[dict[str, Any], str]:
    """The record of the diagnosis, and all that is printed."""
    out, err = io.StringIO(), io.StringIO()
    arguments = ["shapes", f"{file}:{program.target}", *shlex.split(program.options)]
    with (
        contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
        warnings.catch_warnings(),
    ):  # fmt: skip
        warnings.simplefilter("ignore")
        run([*arguments, "--format", "json"])
    try:
        record = json.loads(out.getvalue())
    except ValueError:
        record = {}
    if record.get("kind") != "diagnosis":
        notes = "\n".join(map(str, record.get("notes", [])))
        return {}, f"{notes}\n{err.getvalue()}"
    return record, err.getvalue()


# The place


def _right_lines(mistake: Mistake) -> set[int]:
    """The line at which plain PyTorch fails, and those that an accepted fix changes."""
    lines = {executed(mistake.broken).line}
    old = mistake.broken.source.split("\n")
    for accepted in mistake.accepted:
        new = accepted.source.split("\n")
        lines |= _changed_lines(old, new)
    return lines - {0}


def _changed_lines(old: list[str], new: list[str]) -> set[int]:
    """Lines of the old text that are not in the new one, or stand beside what is inserted."""
    from difflib import SequenceMatcher

    found: set[int] = set()
    for tag, begin, end, *_ in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            found |= set(range(begin + 1, max(end, begin + 1) + 1))
    return found


def _lines_named(faults: list[dict[str, Any]], text: str, name: str) -> Iterator[str]:
    for fault in faults:
        for place in (fault.get("source"), fault.get("called_from")):
            if place and place.split(":")[0].endswith(name):
                yield place.split(":")[1]
        if fault.get("place"):
            yield str(fault["place"]["line"])
    if not faults:
        for part in text.split(f"{name}:")[1:]:
            digits = part[: len(part) - len(part.lstrip("0123456789"))]
            if digits:
                yield digits


# The files with the fixes


def _mended(program: Program, faults: list[dict[str, Any]]) -> list[tuple[str, Program | None]]:
    """Each fix of the last error, after the first ones of those before it; None if it cannot be
    carried out.
    """
    if not faults or not all(fault["fixes"] for fault in faults):
        return []
    *others, last = faults
    for fault in others:
        done = with_fix(program, fault["fixes"][0])
        if done is None:
            return [(fault["fixes"][0]["edit"], None)]
        program = done
    return [(fix["edit"], with_fix(program, fix)) for fix in last["fixes"]]


def with_fix(program: Program, fix: dict[str, Any]) -> Program | None:
    """The program with a fix of the record, as a reader would carry it out."""
    edit = fix["edit"]
    if not fix["edits"]:
        of_input = edit.startswith("--input ")
        return replace(program, options=_with_input(program.options, edit)) if of_input else None
    lines = program.source.split("\n")
    for change in sorted(fix["edits"], key=lambda change: -change["line"]):
        first, before = change["line"] - 1, change["before"]
        if lines[first : first + len(before)] != before:
            return None
        lines[first : first + len(before)] = change["after"]
    return replace(program, source="\n".join(lines))


def _with_input(options: str, edit: str) -> str:
    """The options with other inputs: `--input 1,16:int64 --input 1,16`."""
    kept = []
    words = iter(shlex.split(options))
    for word in words:
        if word == "--input":
            next(words)
        else:
            kept.append(word)
    return shlex.join([*kept, *shlex.split(edit)])


# Plain PyTorch


@dataclass(frozen=True)
class Run:
    """What came of a run on the CPU.

    Attributes:
        outputs: None if it fails.
        line: at which it fails; 0 if it does not, or not in the file.
        doubled: the outputs for a batch of twice the size.
        windows: the settings of each layer with a window, by its path.
    """

    inputs: tuple[tuple[int, ...], ...] = ()
    outputs: tuple[torch.Tensor, ...] | None = None
    line: int = 0
    doubled: tuple[torch.Tensor, ...] | None = None
    windows: dict[str, tuple[Any, ...]] | None = None


def executed(program: Program) -> Run:
    """The outputs with numbers that depend on nothing but the shapes of parameters."""
    make_importable()  # torchvision, whose operators may not fit this torch
    filename = "<program>"
    names: dict[str, Any] = {"__name__": "program"}
    with (
        warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):  # fmt: skip
        warnings.simplefilter("ignore")
        try:
            exec(compile(program.source, filename, "exec"), names)
            made = names[program.target]
            model = made if isinstance(made, nn.Module) else made()
            fill(model)
            model.train("train" in shlex.split(program.options))
            inputs = _inputs(program, names)
            torch.manual_seed(0)
            outputs = _tensors(_called(model, inputs))
        except Exception as error:  # the verdict
            frames = traceback.extract_tb(error.__traceback__)
            numbers = [frame.lineno or 0 for frame in frames if frame.filename == filename]
            line = error.lineno if isinstance(error, SyntaxError) else numbers[-1:]
            return Run(line=line if isinstance(line, int) else (line or [0])[0])
        try:
            torch.manual_seed(0)
            doubled = _tensors(_called(model, [torch.cat([x, x]) for x in inputs]))
        except Exception:  # the batch is part of the model
            doubled = None
    shapes = tuple(tuple(x.shape) for x in inputs)
    return Run(shapes, outputs, 0, doubled, _windows(model))


def _called(model: nn.Module, inputs: list[torch.Tensor]) -> Any:
    with torch.no_grad():
        return model(*inputs)


def fill(model: nn.Module) -> None:
    """Numbers that do not depend on the order in which layers are created."""
    with torch.no_grad():
        for parameter in model.parameters():
            seed = zlib.crc32(str(tuple(parameter.shape)).encode())
            numbers = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(seed))
            parameter.copy_(numbers * 0.2)


def _inputs(program: Program, names: dict[str, Any]) -> list[torch.Tensor]:
    words = shlex.split(program.options)
    texts = [words[i + 1] for i, word in enumerate(words) if word == "--input"]
    if texts:
        return [_tensor(parse_input(text)) for text in texts]
    example = names["example_input"]
    if isinstance(example, tuple) and not all(isinstance(size, int) for size in example):
        return [_tensor(value) for value in example]
    return [_tensor(example)]


def _tensor(value: Any) -> torch.Tensor:
    """Of the shape and dtype of an example, with numbers."""
    if isinstance(value, str):
        value = parse_input(value)
    if isinstance(value, InputSpec):
        value = torch.zeros(value.shape, dtype=getattr(torch, value.dtype))
    if isinstance(value, tuple):
        value = torch.zeros(value)
    numbers = torch.Generator().manual_seed(1)
    if value.is_floating_point():
        return torch.rand(value.shape, generator=numbers).to(value.dtype)
    return torch.randint(0, 2, value.shape, generator=numbers).to(value.dtype)


def _tensors(result: Any) -> tuple[torch.Tensor, ...]:
    if isinstance(result, torch.Tensor):
        return (result,)
    if isinstance(result, dict):
        result = tuple(result.values())
    if isinstance(result, tuple | list):
        return tuple(tensor for item in result for tensor in _tensors(item))
    return ()


def _windows(model: nn.Module) -> dict[str, tuple[Any, ...]]:
    return {
        path: tuple(_pair(getattr(module, name, None)) for name in WINDOWS)
        for path, module in model.named_modules() if hasattr(module, "kernel_size")
    }  # fmt: skip


def _pair(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else value


# The comparison


def is_accepted(listed: Program | None, accepted: list[Run]) -> bool:
    if listed is None:
        return False
    found = executed(listed)
    return found.outputs is not None and any(
        found.inputs == run.inputs and _equal(found.outputs, run.outputs)
        and (run.doubled is None or _equal(found.doubled, run.doubled))
        for run in accepted
    )  # fmt: skip


def _equal(some: tuple[torch.Tensor, ...] | None, others: tuple[torch.Tensor, ...] | None) -> bool:
    if some is None or others is None or len(some) != len(others):
        return False
    return all(
        a.shape == b.shape and torch.allclose(a.double(), b.double(), 1e-3, 1e-4, equal_nan=True)
        for a, b in zip(some, others, strict=True)
    )


def why_misleading(listed: Program | None, mistake: Mistake, accepted: list[Run], rank: int) -> str:
    """Why a fix that is not the accepted one misleads; empty if it does not."""
    if not mistake.accepted:
        return "nothing plain mends it"
    if listed is None:
        return "cannot be carried out"
    found = executed(listed)
    if found.outputs is None:
        return "does not run"
    inputs = {run.inputs for run in accepted}
    if found.inputs not in inputs:
        elements = [sum(torch.Size(s).numel() for s in shapes) for shapes in inputs]
        size = sum(torch.Size(s).numel() for s in found.inputs)
        if rank == 0 or not any(e / 4 <= size <= 4 * e for e in elements):
            return "another input"
        return ""
    shapes = [tuple(x.shape) for x in found.outputs]
    if not any(shapes == [tuple(x.shape) for x in run.outputs or ()] for run in accepted):
        return f"the output is {', '.join('×'.join(map(str, s)) for s in shapes)}"
    if found.doubled is None and all(run.doubled is not None for run in accepted):
        return "the batch is fixed"
    for path, window in (found.windows or {}).items():
        others = [run.windows[path] for run in accepted if run.windows and path in run.windows]
        if others and window not in others:
            return f"the window of {path}"
    return ""


# Report


def shares(verdicts: list[Verdict]) -> str:
    """A table: for each kind and for all, the share with the right place, and so on."""
    kinds = sorted({verdict.mistake.kind for verdict in verdicts})
    rows = [_row(kind, [v for v in verdicts if v.mistake.kind == kind]) for kind in kinds]
    rows.append(_row("all", verdicts))
    head = f"{'kind':34} {'number':>6} {'place':>6} {'first':>6} {'listed':>6} {'misleading':>10}"
    return "\n".join([head, *rows])


def _row(kind: str, verdicts: list[Verdict]) -> str:
    counts = (
        sum(v.place for v in verdicts), sum(v.is_first for v in verdicts),
        sum(v.is_first or v.rank is not None for v in verdicts),
        sum(bool(v.misleading) for v in verdicts),
    )  # fmt: skip
    place, first, listed, misleading = counts
    return f"{kind:34} {len(verdicts):6} {place:6} {first:6} {listed:6} {misleading:10}"


def print_misses(verdicts: list[Verdict]) -> None:
    for v in verdicts:
        if v.place and v.is_first and not v.misleading:
            continue
        print(f"{v.mistake.name}: place {v.place}, rank {v.rank}", file=sys.stderr)
        for edit in v.edits:
            print(f"    {edit!r}", file=sys.stderr)
        for why in v.misleading:
            print(f"    misleading: {why}", file=sys.stderr)
