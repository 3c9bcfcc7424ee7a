"""Which operator of a run wrote what another one reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cached_property

from ..operators.registry import Trait, traits_of, view_of
from ..operators.views import Regrouping
from ..trace.records import Op, TensorSpec, Trace

_UNCHANGED = {"aten.clone", "aten.contiguous", "aten.detach", "aten.alias", "aten.lift_fresh"}
"""Operators that return the same elements on the same axes."""


class Flow:
    """The data flow of a run. Operators are known by their number in `trace.ops`.

    A tensor that is written in place, or any view of it, is from then on that operator's.
    """

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        self._sources: list[dict[int, int]] = []
        self._readers: dict[int, list[int]] = defaultdict(list)
        written_by: dict[int, int] = {}  # the last operator that wrote a value
        base: dict[int, int] = {}  # the value that a view shows
        views: dict[int, list[int]] = defaultdict(list)
        for number, op in enumerate(trace.ops):
            sources = {
                spec.value: written_by[spec.value] for spec in op.inputs if spec.value in written_by
            }
            self._sources.append(sources)
            for source in dict.fromkeys(sources.values()):
                self._readers[source].append(number)
            read = {spec.value for spec in op.inputs}
            for out in op.outputs:
                if out.value in read:
                    root = base.get(out.value, out.value)
                    for value in (root, *views[root]):
                        written_by[value] = number
                elif op.inputs and Trait.LAYOUT in traits_of(op.name):
                    root = base.get(op.inputs[0].value, op.inputs[0].value)
                    base[out.value] = root
                    views[root].append(out.value)
                written_by[out.value] = number
        self._written_by = written_by

    @property
    def ops(self) -> tuple[Op, ...]:
        return self.trace.ops

    def is_like(self, other: Flow) -> bool:
        """Whether both runs have the same operators, so that their numbers agree."""
        return self._names == other._names

    @cached_property
    def _names(self) -> list[str]:
        return [op.name for op in self.ops]

    def source(self, number: int, tensor: TensorSpec) -> int | None:
        """The operator that wrote an operand; None for an input or parameter of the model."""
        return self._sources[number].get(tensor.value)

    def writer(self, tensor: TensorSpec) -> int | None:
        """The operator that wrote a tensor last, in the whole run."""
        return self._written_by.get(tensor.value)

    def readers(self, number: int) -> list[int]:
        """The operators that read what this one wrote."""
        return self._readers.get(number, [])

    @cached_property
    def returned(self) -> frozenset[int]:
        """The operators that wrote what the model returns."""
        calls = self.trace.calls
        values = (spec.value for spec in calls[0].outputs) if calls else ()
        return frozenset(self._written_by[v] for v in values if v in self._written_by)

    def only_reader(self, number: int) -> int | None:
        """The one operator that reads what this one wrote; None if the model returns it too."""
        readers = self.readers(number)
        return readers[0] if len(readers) == 1 and number not in self.returned else None

    def is_unchanged(self, number: int) -> bool:
        """Whether an operator returns its operand as it is: a copy, a view of the same shape."""
        op = self.ops[number]
        if op.name in _UNCHANGED:
            return True
        return is_regrouping(op) and op.inputs[0].shape == op.outputs[0].shape

    def before(
        self, number: int, tensor: TensorSpec, passes: Callable[[int], bool] | None = None
    ) -> int | None:
        """The operator that computed an operand, in front of copies and those that `passes`."""
        source = self.source(number, tensor)
        while source is not None and (
            self.is_unchanged(source) or (passes is not None and passes(source))
        ):
            op = self.ops[source]
            source = self.source(source, op.inputs[0]) if op.inputs else None
        return source

    @cached_property
    def from_inputs(self) -> frozenset[int]:
        """The operators whose results depend on an input of the model."""
        inputs = {item.tensor.value for item in self.trace.inputs}
        found: set[int] = set()
        for number, op in enumerate(self.ops):
            sources = self._sources[number]
            if any(source in found for source in sources.values()) or any(
                spec.value in inputs and spec.value not in sources for spec in op.inputs
            ):
                found.add(number)
        return frozenset(found)

    @cached_property
    def reaching_output(self) -> frozenset[int]:
        """The operators on which something that the model returns depends."""
        return self._reaching_output()

    def _reaching_output(self, without: int | None = None) -> frozenset[int]:
        found: set[int] = set()
        ahead = list(self.returned)
        while ahead:
            number = ahead.pop()
            if number not in found and number != without:
                found.add(number)
                ahead += self._sources[number].values()
        return frozenset(found)

    def parameters_only_through(self, number: int) -> set[str]:
        """The trained parameters that reach the output through one operator only."""
        others = self._parameters_of(self._reaching_output(without=number))
        trained = {p.name for p in self.trace.parameters if p.trainable and not p.buffer}
        return (self._parameters_of(self.reaching_output) - others) & trained

    def _parameters_of(self, numbers: frozenset[int]) -> set[str]:
        specs = (spec for number in numbers for spec in self.ops[number].inputs)
        return {spec.parameter for spec in specs if spec.parameter is not None}

    def place(self, number: int) -> tuple[str, int]:
        """The path and the number of the call in which an operator ran."""
        call = self.trace.calls[self.ops[number].call]
        return call.path, call.call


def is_regrouping(op: Op) -> bool:
    """Whether an operator merges and splits axes, in their order."""
    return Trait.LAYOUT in traits_of(op.name) and isinstance(view_of(op), Regrouping)
