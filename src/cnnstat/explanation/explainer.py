"""Explaining the rows of one recorded run."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.control_flow import sentences
from ..analysis.results import Analysis, Layer
from ..analysis.rollup import Ownership
from ..operators.registry import uncounted_sentence
from ..trace.records import Call, Trace
from .arithmetic import mac_steps, other_op_steps
from .expression import MEANINGS
from .outputs import output_of_parts, output_steps
from .parameters import activation_steps, parameter_steps
from .recursion import Path, field_steps
from .results import Explanation, FieldStep, Step
from .rows import calls_of, children_of, row_named
from .sources import sources_of
from .subject import Operation, Subject


def explain(trace: Trace, analysis: Analysis, name: str) -> Explanation:
    """Explain the layer with this name: a path, `path#2` for its second call, or a path's end.

    Every path of a shared module is accepted.

    Raises:
        UsageError: no layer or several have the name.
        ModelError: the layer was not called.
    """
    path, number, call = name.partition("#")
    first = {alias: m.path for m in trace.modules.values() for alias in m.aliases}
    layer = first.get(path, path) + number + call
    return Explainer(trace, analysis).of(row_named(analysis, layer, trace.modules))


class Explainer:
    """Explains the rows of one run."""

    def __init__(self, trace: Trace, analysis: Analysis) -> None:
        self._trace, self._analysis = trace, analysis
        self._calls = {(call.path, call.call): call for call in trace.calls}
        self._parameters = Ownership(trace).by_call
        self._homes = {
            parameter.name: trace.calls[index].path
            for index, parameters in self._parameters.items()
            for parameter in parameters
        }
        self._path = Path(trace)

    def of(self, row: Layer) -> Explanation:
        call = self._calls.get((row.path, row.call))
        if call is None:  # a container that is never called
            return explained(self._analysis, row)
        subject = self._subject(call, row)
        path = self._path.to(call)
        children = children_of(self._analysis, row)
        output = output_of_parts(subject, children[-1]) if children else output_steps(subject)
        origin = "as what its last part makes" if children else _origin(call)
        steps = (*output, *_figures(subject), *field_steps(subject, path, origin))
        recursion = [step for step, index in path if step.changes or index == call.index]
        return explained(
            self._analysis, row, subject, steps, recursion if row.receptive_field else ()
        )

    def _subject(self, call: Call, row: Layer) -> Subject:
        operations = tuple(Operation.of(op) for op in self._trace.ops if op.call == call.index)
        parameters = tuple(self._parameters.get(call.index, ()))
        read = dict.fromkeys(name for op in operations for name in op.parameters)
        names = [name for name in read if name not in {parameter.name for parameter in parameters}]
        elsewhere = {name: self._homes[name] for name in names if name in self._homes}
        return Subject(call, row, operations, parameters, elsewhere)


def _origin(call: Call) -> str:
    """The origin of a receptive field that the layer leaves as it is."""
    return "as the widest of its inputs" if len(call.inputs) > 1 else "as its input"


def _figures(subject: Subject) -> tuple[Step, ...]:
    return (
        *parameter_steps(subject),
        *mac_steps(subject),
        *other_op_steps(subject),
        *activation_steps(subject),
    )


def explained(
    analysis: Analysis,
    row: Layer,
    subject: Subject | None = None,
    steps: Sequence[Step] = (),
    recursion: Sequence[FieldStep] = (),
    notes: Sequence[str] = (),
) -> Explanation:
    symbols = dict.fromkeys(name for step in steps for name in step.letters)
    if any(step.kernel is not None for step in recursion):
        dilated = any(max(step.dilation or (1,)) > 1 for step in recursion)
        symbols |= dict.fromkeys(("k", *["d"] * dilated, "s", "r", "j"))
    return Explanation(
        tool=analysis.tool,
        model=analysis.model,
        inputs=analysis.inputs,
        mode=analysis.mode,
        lane=analysis.lane,
        layer=row,
        calls=calls_of(analysis, row),
        steps=tuple(steps),
        recursion=tuple(recursion),
        children=children_of(analysis, row),
        letters={name: MEANINGS[name] for name in symbols},
        sources=() if subject is None else sources_of(subject, steps),
        notes=(*_notes(row, subject), *_sizes(analysis), *notes),
    )


def _sizes(analysis: Analysis) -> list[str]:
    depends = analysis.totals.bounded is not None and analysis.lane != "cpu"
    sizes = ["sizes that depend on values are taken at their largest"] if depends else []
    return [*sizes, *sentences(analysis.totals)]


def _notes(row: Layer, subject: Subject | None) -> list[str]:
    notes = []
    lines = subject is not None and subject.elsewhere
    if row.shared_with is not None and not row.total.params and not lines:
        notes.append(f"its parameters are shared: they were counted at {row.shared_with}")
    if not row.total.exact:
        missing = uncounted_sentence(row.total.uncounted)
        notes.append(f"MACs and other operations are lower bounds: {missing}")
    if subject is not None and len(subject.call.outputs) > 1:
        notes.append(f"the first of {len(subject.call.outputs)} outputs is explained")
    return notes
