"""What the sizes of a recorded run become with other settings or inputs, without running it.

A search over edits asks this hundreds of times. It follows the recorded operators from what is
changed to the operator that was refused. What it cannot follow it says: the answer is then found
by tracing. An edit is only ever shown after it was traced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import heappop, heappush
from typing import Any

from ..operators.registry import ShapeOf, Trait, traits_of, view_of
from ..operators.shape_rules import Misfit, Unknown, broadcast
from ..results import Shape
from ..trace.records import Failure, Module, Op, TensorSpec, Trace
from .literals import plain

Settings = Mapping[str, Mapping[str, Any]]
"""The settings that are changed, by the path of the module."""


def fits(failure: Failure, settings: Settings, inputs: Mapping[int, Shape]) -> bool | None:
    """Whether the run gets past where it failed; None if that cannot be told.

    `inputs` are the shapes of inputs that are changed, by the number of their value.
    """
    try:
        replay = _Replay(failure, settings, inputs)
        replay.follow_all()
        if failure.op is not None:
            replay.follow(failure.op)
            return replay.changed
        return _fits_the_layer(failure, replay)
    except Misfit:
        return False
    except (Unknown, ZeroDivisionError, IndexError, TypeError, ValueError, KeyError):
        return None


def _fits_the_layer(failure: Failure, replay: _Replay) -> bool | None:
    """For a layer that refuses its input itself, before an operator runs."""
    if not failure.calls or not failure.calls[-1].module or not failure.calls[-1].inputs:
        return None
    call = failure.calls[-1]
    assert call.module is not None
    wanted = INPUT_AXES.get(call.module.base)
    if wanted is None:
        return None
    takes = replay.setting(call.module, wanted[0])
    size = replay.shape(call.inputs[0])[wanted[1]]
    return bool(size == takes)


# The setting that says how large an axis of the input a layer takes, and that axis.
INPUT_AXES: dict[str, tuple[str, int]] = {
    "Linear": ("in_features", -1),
    **{f"Conv{n}d": ("in_channels", -1 - n) for n in (1, 2, 3)},
    **{f"ConvTranspose{n}d": ("in_channels", -1 - n) for n in (1, 2, 3)},
    **{f"{kind}Norm{n}d": ("num_features", 1) for kind in ("Batch", "Instance") for n in (1, 2, 3)},
    "GroupNorm": ("num_channels", 1),
    "LayerNorm": ("normalized_shape", -1),
    **dict.fromkeys(["RNN", "LSTM", "GRU", "RNNCell", "LSTMCell", "GRUCell"], ("input_size", -1)),
    "MultiheadAttention": ("embed_dim", -1),
}  # fmt: skip


class _Readers:
    """Of one record, the operators that read each value and parameter, or run in each module."""

    def __init__(self, trace: Trace) -> None:
        self.ops = trace.ops
        self.calls = {call.index: call for call in trace.calls}
        self.shapes = {p.name: p.shape for p in trace.parameters}
        self.of_value: dict[int, list[int]] = defaultdict(list)
        self.of_parameter: dict[str, list[int]] = defaultdict(list)
        self.of_module: dict[str, list[int]] = defaultdict(list)
        for number, op in enumerate(trace.ops):
            for spec in op.inputs:
                self.of_value[spec.value].append(number)
                if spec.parameter is not None:
                    self.of_parameter[spec.parameter].append(number)
            call = self.calls.get(op.call)
            if call is not None and call.module is not None:
                self.of_module[call.module.path].append(number)


@lru_cache(maxsize=4)
def _readers(record: _ByIdentity) -> _Readers:
    return _Readers(record.trace)


@dataclass(frozen=True, eq=False)
class _ByIdentity:
    """A trace as a key: comparing two would take longer than what is remembered."""

    trace: Trace

    def __hash__(self) -> int:
        return id(self.trace)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _ByIdentity) and other.trace is self.trace


class _Replay:
    def __init__(self, failure: Failure, settings: Settings, inputs: Mapping[int, Shape]) -> None:
        self.settings = settings
        self.known = dict(inputs)
        self.changed = True
        self.readers = _readers(_ByIdentity(failure.trace))
        self.calls = self.readers.calls
        self.parameters: dict[str, Shape] = {}
        for path in settings:
            module = failure.trace.modules[path]
            for name, shape in _parameters(module, self.merged(module)).items():
                self.parameters[f"{path}.{name}" if path else name] = shape
        self.recorded = self.readers.shapes

    def follow_all(self) -> None:
        """Go through what reads anything that is changed, in the order in which it ran."""
        waiting: set[int] = set()
        for value in self.known:
            waiting.update(self.readers.of_value.get(value, ()))
        for name in self.parameters:
            waiting.update(self.readers.of_parameter.get(name, ()))
        for path in self.settings:
            waiting.update(self.readers.of_module.get(path, ()))
        queue = sorted(waiting)
        while queue:
            number = heappop(queue)
            op = self.readers.ops[number]
            self.follow(op)
            for spec in op.outputs:
                if self.known.get(spec.value, spec.shape) != spec.shape:
                    for reader in self.readers.of_value.get(spec.value, ()):
                        if reader > number and reader not in waiting:
                            waiting.add(reader)
                            heappush(queue, reader)

    def merged(self, module: Module) -> dict[str, Any]:
        return {**module.settings, **self.settings.get(module.path, {})}

    def setting(self, module: Module, name: str) -> Any:
        value = plain(self.merged(module)[name])
        return value[-1] if isinstance(value, tuple) else value

    def shape(self, spec: TensorSpec) -> Shape:
        if spec.value in self.known:
            return self.known[spec.value]
        if spec.parameter in self.parameters and spec.shape == self.recorded.get(spec.parameter):
            return self.parameters[spec.parameter]
        return spec.shape

    def follow(self, op: Op) -> None:
        call = self.calls.get(op.call)
        module = call.module if call else None
        reset = module is not None and module.path in self.settings
        refused = not op.outputs
        if not op.inputs:  # made from nothing: of the size that it had
            return
        if not reset and not refused and all(self.shape(s) == s.shape for s in op.inputs):
            return
        settings = self.merged(module) if reset and module is not None else None
        shapes = replayed(op, self.shape, settings)
        for spec, shape in zip(op.outputs, shapes, strict=False):
            if min(shape, default=1) < 1:
                raise Misfit
            self.known[spec.value] = shape


def replayed(op: Op, shape: ShapeOf, settings: Mapping[str, Any] | None) -> Sequence[Shape]:
    """The shapes of the outputs, by the operator's view, or as of an elementwise operator.

    Args:
        shape: the shape that each operand has now.
        settings: those of the layer, if they are changed.

    Raises:
        Misfit: the operator would be refused.
        Unknown: the record does not say.
    """
    view = view_of(op)
    if view is None:
        return _elementwise(op, shape)
    if settings is not None:
        given = {name: plain(value) for name, value in settings.items()}
        if isinstance(given.get("padding"), str):  # "same"
            raise Unknown
        if given.get("proj_size"):  # a projection is seldom what was forgotten: not searched for
            raise Unknown
        view = view.changed(given)
    return view.shapes(shape)


def _elementwise(op: Op, shape: ShapeOf) -> Sequence[Shape]:
    """An operator without a view is elementwise if its recorded shapes are, or its trait."""
    if not op.inputs:
        raise Unknown
    if op.outputs:
        try:
            recorded = broadcast([spec.shape for spec in op.inputs])
        except Misfit:
            raise Unknown from None
        if any(out.shape != recorded for out in op.outputs):
            raise Unknown
    elif Trait.ELEMENTWISE not in traits_of(op.name):
        raise Unknown
    return [broadcast([shape(spec) for spec in op.inputs])] * max(1, len(op.outputs))


def _parameters(module: Module, settings: Mapping[str, Any]) -> dict[str, Shape]:
    """The shapes of a module's parameters and buffers, from its settings."""
    s = {name: plain(value) for name, value in settings.items()}
    base = module.base
    if base == "Linear":
        return {"weight": (s["out_features"], s["in_features"]), "bias": (s["out_features"],)}
    if base.startswith("Conv"):
        given, made = s["in_channels"], s["out_channels"]
        if given % s["groups"] or made % s["groups"]:
            raise Misfit
        outer, inner = (given, made) if "Transpose" in base else (made, given)
        weight = (outer, inner // s["groups"], *s["kernel_size"])
        return {"weight": weight, "bias": (made,)}
    if base.startswith(("BatchNorm", "InstanceNorm")):
        names = ("weight", "bias", "running_mean", "running_var")
        return dict.fromkeys(names, (s["num_features"],))
    if base == "GroupNorm":
        if s["num_channels"] % s["num_groups"]:
            raise Misfit
        return dict.fromkeys(("weight", "bias"), (s["num_channels"],))
    if base == "LayerNorm":
        return dict.fromkeys(("weight", "bias"), s["normalized_shape"])
    if base == "Embedding":
        return {"weight": (s["num_embeddings"], s["embedding_dim"])}
    if base in ("Module", "Sequential", "ModuleList", "ModuleDict"):
        return {}  # what a container remembers is no size of a parameter
    if "Pool" in base or base in ("Dropout", "Flatten", "RNN", "LSTM", "GRU"):
        return {}  # those of recurrent layers are part of one operator
    raise Unknown
