"""The result of `lint`: findings, and the rules that could not be decided."""

from __future__ import annotations

from typing import Literal

from msgspec import structs

from ..analysis.results import Input, Model, Tool
from ..choices import Severity
from ..diagnosis.results import LineEdit
from ..results import Record, Result


class SourceLine(Record, frozen=True):
    """A place in the user's code: `file` relative to the working directory, `line` and `column`
    from 1; `end_column` is that behind the last character, on the same line. `text` is the line.
    """

    file: str
    line: int
    column: int
    end_column: int
    text: str


class Repair(Record, frozen=True):
    """What would mend a finding.

    `verified`: with it the model was run to its end, and the finding is gone. `edits` are then the
    lines of files that change, none for a model without source of the user's.
    """

    text: str
    verified: bool
    edits: tuple[LineEdit, ...] = ()


class Finding(Record, frozen=True, kw_only=True):
    """One mistake: a rule, a class of the model and the attribute of it that is concerned.

    `model` is the spec. `paths` are all layers or calls that it is about, as in the layer table,
    `where` is a short text for them, empty if the message has it.
    `params` and `macs` are those at stake, all paths together. `source` is the place to look at,
    None for a model without source of the user's; `called_from` is where the model calls it, if
    that is another place. `identity` stays the same when lines move.
    """

    code: str
    name: str
    severity: Severity
    message: str
    model: str
    paths: tuple[str, ...]
    where: str
    class_name: str
    attribute: str
    params: int
    macs: int
    source: SourceLine | None
    called_from: str | None
    remarks: tuple[str, ...]
    fix: Repair | None
    identity: str


class Undecided(Record, frozen=True):
    """A rule that needs a run of the model which failed, and why."""

    model: str
    code: str
    reason: str


class Linted(Record, frozen=True, kw_only=True):
    """A model that was linted, on these inputs."""

    model: Model
    inputs: tuple[Input, ...]
    lane: str


class Lint(Result, frozen=True, kw_only=True):
    """Mistakes in models that run.

    `rules` are the codes that were checked, `ignored` the number of findings that comments or
    settings silence, `known` that of those in the baseline. `edits` are the lines of files that all
    verified fixes together change; the models were run with all of them.
    """

    kind: Literal["lint"] = "lint"
    tool: Tool
    models: tuple[Linted, ...]
    findings: tuple[Finding, ...]
    undecided: tuple[Undecided, ...]
    rules: tuple[str, ...]
    ignored: int = 0
    known: int = 0
    edits: tuple[LineEdit, ...] = ()

    def __add__(self, other: Lint) -> Lint:
        """The results of both, for other models by the same rules."""
        return structs.replace(
            self,
            models=(*self.models, *other.models),
            findings=(*self.findings, *other.findings),
            undecided=(*self.undecided, *other.undecided),
            ignored=self.ignored + other.ignored,
            known=self.known + other.known,
            edits=tuple(dict.fromkeys((*self.edits, *other.edits))),
        )
