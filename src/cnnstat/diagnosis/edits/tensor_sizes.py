"""Tensors that a `forward` creates from numbers: the states of a recurrent layer.

`torch.zeros(1, 1, hidden)` gets the sizes that the layer takes, those of the batch from its input:
`torch.zeros(1, x.size(0), hidden)`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...results import Shape
from ...trace.records import Call, Frame, TensorSpec
from ..changes import Change, Proposal, Situation
from ..creation import FACTORIES
from ..failing_code import call_at, called_from
from ..literals import Literal, origin_of, plain
from ..mismatch import state_shape
from ..naming import Places
from ..provenance import Provenance
from ..source_text import Replacement, piece, span_of
from ..syntax import Code, arguments_by_place, code_of, keywords_of, nodes, parameters_of
from ..weights import Features, Prior

_OF_SIZES = FACTORIES - {"arange", "linspace"} | {"new_zeros", "new_empty"}
_CELLS = {"RNNCell", "LSTMCell", "GRUCell"}


def states_of_recurrent_layers(situation: Situation) -> Iterator[Proposal]:
    """The sizes of initial states as the layer takes them."""
    failure = situation.failure
    call = failure.calls[-1] if failure.calls else None
    target = None if call is None or call.module is None else state_shape(call)
    if call is None or target is None:
        return
    provenance = Provenance(failure, Places(Path.cwd(), {}))
    replacements: dict[Replacement, None] = {}
    for state in call.inputs[1:]:
        created = _created_by(provenance, state)
        if created is None or state.shape == target:
            continue
        found = _resized(situation, call, created, target)
        if found is None:
            return
        replacements.update(dict.fromkeys(found))
    if replacements:
        change = Change(replacements=tuple(replacements))
        is_number = not any(".size(" in r.text for r in replacements)
        prior = Prior.STATE_BY_NUMBER if is_number else Prior.STATE_BY_INPUT
        yield Proposal(change, Features(prior=prior))


def _created_by(provenance: Provenance, state: TensorSpec) -> Call | None:
    op = provenance.op_behind(state)
    call = provenance.calls.get(op.call) if op is not None else None
    return call if call is not None and call.type in _OF_SIZES else None


@dataclass(frozen=True)
class _Size:
    """One size of a tensor: how it is written, and its value."""

    node: ast.expr
    frame: Frame
    text: str
    value: int


def _resized(
    situation: Situation, call: Call, created: Call, target: Shape
) -> list[Replacement] | None:
    """The replacements in the call that creates a tensor; None if its sizes are not written."""
    frames = situation.failure.called_at.get(created.index, ())
    if not frames or frames[-1].file not in situation.texts:
        return None
    found = call_at(situation, frames[-1])
    sizes = [] if found is None else _sizes(created, *found, frames[-1])
    if not sizes:
        return None
    if len(sizes) == len(target):
        replacements = []
        for size, goal in zip(sizes, target, strict=True):
            if size.value != goal:
                replacements.append(_resize(situation, call, size, goal, frames))
        return replacements
    # Another number of axes: sizes that fit stay, in their order.
    remaining, texts = list(sizes), []
    for goal in target:
        known = next((size for size in remaining if size.value == goal), None)
        if known is not None:
            remaining.remove(known)
        texts.append(str(goal) if known is None else known.text)
    first, last = span_of(sizes[0].node, frames[-1].file), span_of(sizes[-1].node, frames[-1].file)
    if first.line != last.end_line:
        return None
    all_sizes = type(first)(first.file, first.line, first.column, last.end_line, last.end_column)
    return [Replacement(all_sizes, ", ".join(texts))]


def _sizes(created: Call, code: Code, node: ast.Call, frame: Frame) -> list[_Size]:
    """The sizes of the tensor that a call creates, as written; none if they are not all there."""
    written: Sequence[ast.expr] = arguments_by_place(node) or [*keywords_of(node).values()][:1]
    if written and isinstance(written[0], ast.Tuple | ast.List):
        written = written[0].elts
    values = created.outputs[0].shape if created.outputs else ()
    if len(written) != len(values):
        return []
    return [
        _Size(part, frame, code.text_of(part), value)
        for part, value in zip(written, values, strict=True)
    ]


def _resize(
    situation: Situation, call: Call, size: _Size, goal: int, frames: tuple[Frame, ...]
) -> Replacement:
    """Another size in its place, or in that of the argument of the function around it."""
    function = _function_around(situation, size.frame)
    outer = frames[-2] if len(frames) > 1 else None
    if function is not None and outer is not None and isinstance(size.node, ast.Name):
        passed = _passed(situation, function, size.node.id, outer)
        if passed is not None:
            span = span_of(passed, outer.file)
            written = piece(situation.texts[outer.file], span)
            inner = _Size(passed, outer, written, size.value)
            return Replacement(span, _text_for(situation, call, inner, goal))
    return Replacement(span_of(size.node, size.frame.file), _text_for(situation, call, size, goal))


def _passed(
    situation: Situation, function: ast.FunctionDef, name: str, frame: Frame
) -> ast.expr | None:
    """The argument that a call passes for a parameter of the function that it calls."""
    found = call_at(situation, frame)
    names = parameters_of(function)
    if found is None or name not in names:
        return None
    _, node = found
    is_method = bool(names) and names[0] == "self" and isinstance(node.func, ast.Attribute)
    pairs = zip(names[1:] if is_method else names, arguments_by_place(node), strict=False)
    return (dict(pairs) | keywords_of(node)).get(name)


def _text_for(situation: Situation, call: Call, size: _Size, goal: int) -> str:
    """A size of the input in scope, a multiple of what is written, an attribute, or the number."""
    found = _size_of_input(situation, call, size.frame, goal)
    batch = _batch(call)
    if goal == batch and found is not None:
        return found
    owner = next((c.module for c in reversed(situation.failure.calls[:-1]) if c.module), None)
    assert call.module is not None
    # An attribute that is the number of layers because both come from one literal.
    origins = [origin_of(value) for value in call.module.settings.values()]
    for name, value in owner.settings.items() if owner is not None else ():
        origin = origin_of(value)
        if plain(value) == goal and isinstance(origin, Literal) and origin in origins:
            return f"self.{name}"
    if goal == 2 * size.value and not isinstance(size.node, ast.Constant):
        return f"2 * {size.text}"
    return str(goal)


def _batch(call: Call) -> int | None:
    """The batch of a recurrent layer's input."""
    x = call.inputs[0].shape
    assert call.module is not None
    if call.module.base in _CELLS:
        return x[0]
    return x[0 if plain(call.module.settings.get("batch_first")) else 1] if len(x) > 2 else None


def _size_of_input(situation: Situation, call: Call, frame: Frame, goal: int) -> str | None:
    """`x.size(0)`, of the layer's input or of an argument of the function."""
    failure = situation.failure
    function = _function_around(situation, frame)
    if function is None:
        return None
    called = called_from(situation, call)
    shapes: dict[str, Shape] = {}
    around = next((c for c in reversed(failure.calls[:-1]) if c.kind == "module"), None)
    if around is not None and function.name == "forward":
        names = parameters_of(function)[1:]
        shapes.update(zip(names, (x.shape for x in around.inputs), strict=False))
    first = arguments_by_place(called[1])[:1] if called is not None else []
    if first and isinstance(first[0], ast.Name) and _is_before(function, first[0].id, frame):
        shapes = {first[0].id: call.inputs[0].shape, **shapes}
    for name, shape in shapes.items():
        axes = [axis for axis, length in enumerate(shape[:2]) if length == goal]
        if axes:
            return f"{name}.size({axes[0]})"
    return None


def _is_before(function: ast.FunctionDef, name: str, frame: Frame) -> bool:
    """Whether a name of a function has a value where a line of it runs."""
    stored = [
        node.lineno for node in ast.walk(function)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
    ]  # fmt: skip
    return name in parameters_of(function) or any(line < frame.line for line in stored)


def _function_around(situation: Situation, frame: Frame) -> ast.FunctionDef | None:
    """The innermost function with a line."""
    code = code_of(frame.file, situation.texts[frame.file])
    around = [
        node for node in nodes(code.tree, ast.FunctionDef)
        if node.lineno <= frame.line <= (node.end_lineno or 0)
    ]  # fmt: skip
    return max(around, key=lambda node: node.lineno, default=None)
