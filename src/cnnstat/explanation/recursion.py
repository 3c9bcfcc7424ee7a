"""The receptive field of a layer, step by step from the input.

Araujo et al., "Computing Receptive Fields of Convolutional Neural Networks" (Distill 2019): with r
and j the receptive field and jump of the input, r + (k − 1) · d · j and j · s are those of the
output. Where branches meet, the widest is followed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm
from typing import Literal

from msgspec.structs import replace

from ..analysis.receptive_field import follow_op, input_fields
from ..operators.convolution import Convolution
from ..operators.describe import dims_of, window_of
from ..operators.pooling import ADAPTIVE_POOLS, AdaptivePool
from ..operators.reach import Field
from ..operators.registry import view_of
from ..operators.resizing import Interpolation
from ..operators.shape_rules import Window
from ..trace.records import Call, Op, Trace
from .expression import AXES, Expression, floor, number, symbol
from .results import FieldStep, Number, Step
from .subject import Subject, derived, stated

_Figure = Literal["receptive_field", "stride"]


@dataclass(frozen=True)
class _Node:
    """A field, and the index of the operator that it comes from; -1 for an input."""

    field: Field
    op: int

    @cached_property
    def width(self) -> Number:
        return sum(self.field.size or (0,))


class Path:
    """The operators along the widest receptive field of a call."""

    def __init__(self, trace: Trace) -> None:
        self._trace = trace
        self._inputs: list[list[_Node]] = []
        self._nodes: dict[int, _Node] = {}
        self._steps: dict[int, FieldStep | None] = {}
        fields = input_fields(trace)
        views: dict[int, Op] = {}
        self._nodes.update((value, _Node(field, -1)) for value, field in fields.items())
        for place, op in enumerate(trace.ops):
            inputs = [self._nodes[t.value] for t in op.inputs if t.value in self._nodes]
            self._inputs.append(inputs)
            follow_op(op, fields, views)
            for tensor in op.outputs:
                if tensor.value in fields:
                    self._nodes[tensor.value] = _Node(fields[tensor.value], place)

    def to(self, call: Call) -> tuple[tuple[FieldStep, int], ...]:
        """The steps from the input on, each with the index of its call.

        All that change the field or jump, and all windows, even those of 1 that change nothing.
        """
        node = self._nodes.get(call.outputs[0].value) if call.outputs else None
        steps: list[tuple[FieldStep, int]] = []
        while node is not None and node.field.reason is None and node.op >= 0:
            inputs = [n for n in self._inputs[node.op] if n.field.reason is None]
            if not inputs:
                break
            # the recursion is linear in one input only: of branches that meet, the widest
            before = max(inputs, key=lambda n: n.width)
            if node.op not in self._steps:
                op = self._trace.ops[node.op]
                self._steps[node.op] = self._step(op, before.field, node.field)
            step = self._steps[node.op]
            if step is not None:
                steps.append((step, self._trace.ops[node.op].call))
            node = before
        return tuple(reversed(steps))

    def _step(self, op: Op, before: Field, after: Field) -> FieldStep | None:
        fields = (before.size or (), before.stride or (), after.size or (), after.stride or ())
        call = self._trace.calls[op.call]
        layer = call.path + (f"#{call.call + 1}" if call.call else "")
        window = _window(op, call)
        if window is not None and len(window.kernel) == len(fields[0]):
            step = FieldStep(layer, window.kernel, window.dilation, window.stride, *fields)
            if (step.field_after, step.jump_after) == _after_window(step):
                return step
            view = view_of(op)
            if isinstance(view, Convolution) and view.transposed:
                return replace(step, remark=TRANSPOSED)
        if fields[:2] == fields[2:]:
            return None
        return FieldStep(layer, None, None, None, *fields, _why(op))


def _window(op: Op, call: Call) -> Window | None:
    """The window of an operator; an adaptive pool to a divisor of its input has one too."""
    dims = dims_of(call)
    if op.name not in ADAPTIVE_POOLS:
        return window_of([op], dims)
    window = AdaptivePool.of(op).as_window
    return None if window is None else window.last_axes(dims)


def _after_window(step: FieldStep) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
    """The field and jump by the recursion of a sliding window."""
    axes = range(len(step.field_before))
    return (
        tuple(_Axis.of(step, axis).field.value for axis in axes),
        tuple(_Axis.of(step, axis).jump.value for axis in axes),
    )


TRANSPOSED = "transposed"


@dataclass(frozen=True, slots=True)
class _Axis:
    """The two formulas along one axis."""

    field: Expression
    jump: Expression

    @staticmethod
    def of(step: FieldStep, axis: int) -> _Axis:
        assert step.kernel is not None
        assert step.dilation is not None
        assert step.stride is not None
        r = symbol("r", _number(step.field_before[axis]))
        j = symbol("j", _number(step.jump_before[axis]))
        dilation, stride = step.dilation[axis], step.stride[axis]
        s, reach = symbol("s", stride), symbol("k", step.kernel[axis]) - 1
        reach = reach * symbol("d", dilation) if dilation > 1 else reach
        if step.remark != TRANSPOSED:
            return _Axis(r + reach * j, j * s)
        common = symbol("l", lcm(stride, dilation)) if dilation > 1 else s
        span = floor(reach / common)  # taps that contribute to one output, less one
        span = span * common / s if dilation > 1 else span
        return _Axis(r + span * j, j / s)


def _why(op: Op) -> str:
    if isinstance(view_of(op), Interpolation):
        return "resized: its neighbours are read, in smaller steps"
    if len(op.inputs) > 1:
        return "branches meet: all that any of them sees"
    return f"{op.name.partition('.')[2]}: other positions are taken"


def field_steps(
    subject: Subject, path: Sequence[tuple[FieldStep, int]], otherwise: str
) -> list[Step]:
    """The receptive field and the effective stride of one layer; empty where it has no field.

    otherwise: the remark where no step of the path belongs to the layer.
    """
    layer = subject.layer
    if layer.receptive_field is None or layer.stride is None:
        return []
    steps = [step for step, call in path if call == subject.call.index]
    if len(steps) == 1 and steps[0].kernel is not None:
        (step,) = steps
        if step.field_after == layer.receptive_field:
            return [*_lines(step, "receptive_field"), *_lines(step, "stride")]
    remark = (steps[-1].remark or "by the steps below") if steps else otherwise
    return [
        *_stated("receptive_field", layer.receptive_field, remark),
        *_stated("stride", layer.stride, remark),
    ]


def _stated(figure: _Figure, sizes: tuple[Number, ...], remark: str) -> list[Step]:
    groups: dict[Number, list[int]] = {}
    for axis, size in enumerate(sizes):
        groups.setdefault(size, []).append(axis)
    return [
        stated(figure, _axes(members, sizes), size, remark, members)
        for size, members in groups.items()
    ]


def _axes(members: Sequence[int], all_axes: Sequence[object]) -> str:
    """The names of the axes; empty for all of them."""
    if len(members) == len(all_axes):
        return ""
    return ", ".join(AXES[len(all_axes)][axis] for axis in members)


def _lines(step: FieldStep, figure: _Figure) -> list[Step]:
    groups: dict[str, tuple[Expression, list[int]]] = {}
    for axis in range(len(step.field_before)):
        formulas = _Axis.of(step, axis)
        term = formulas.jump if figure == "stride" else formulas.field
        groups.setdefault(term.numbers, (term, []))[1].append(axis)
    return [
        derived(figure, _axes(members, step.field_before), term, None, members)
        for term, members in groups.values()
    ]


def _number(value: Number) -> Expression:
    return number(Fraction(value).limit_denominator(10**6))
