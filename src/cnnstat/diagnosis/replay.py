"""The sizes of a recorded run with other settings or inputs, without running it.

A search over edits needs them hundreds of times. The recorded operators are followed from the
changed values to the operator that was refused. Where one cannot be followed the answer is None,
and the search traces instead. An edit is shown only after it was traced.
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
    """Whether the run gets past its failure; None if that cannot be computed.

    `inputs` are the new shapes of inputs, by the number of their value.
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
    """For a layer that raises before an operator runs."""
    if not failure.calls or not failure.calls[-1].module or not failure.calls[-1].inputs:
        return None
    call = failure.calls[-1]
    assert call.module is not None
    if call.module.base not in INPUT_AXES:
        return None
    setting, axis = INPUT_AXES[call.module.base]
    return bool(replay.shape(call.inputs[0])[axis] == replay.setting(call.module, setting))


# The setting that is the size of an axis of a layer's input, and that axis.
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
    """The operators that read each value or parameter, or run in each module, by their numbers."""

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
    """A trace as a key of a cache: comparing two traces takes longer than what is cached."""

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
        """Compute the shapes behind everything that is changed, in the order in which it ran.

        Only operators with a changed operand are visited: a deep network has thousands of others.
        """
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
        is_changed = module is not None and module.path in self.settings
        is_refused = not op.outputs
        if not op.inputs:  # a new tensor, whose size is that of before
            return
        if not is_changed and not is_refused and all(self.shape(s) == s.shape for s in op.inputs):
            return
        settings = self.merged(module) if is_changed and module is not None else None
        shapes = replayed(op, self.shape, settings)
        for spec, shape in zip(op.outputs, shapes, strict=False):
            if min(shape, default=1) < 1:
                raise Misfit
            self.known[spec.value] = shape


def replayed(op: Op, shape: ShapeOf, settings: Mapping[str, Any] | None) -> Sequence[Shape]:
    """The shapes of an operator's outputs with other operands or settings.

    Args:
        shape: the shape of each operand.
        settings: those of the layer, if they are changed.

    Raises:
        Misfit: the operator would be refused.
        Unknown: the record does not show it.
    """
    view = view_of(op)
    if view is None:
        return _elementwise(op, shape)
    if settings is not None:
        plain_settings = {name: plain(value) for name, value in settings.items()}
        if isinstance(plain_settings.get("padding"), str):  # "same"
            raise Unknown
        if plain_settings.get("proj_size"):  # rare, so not supported
            raise Unknown
        view = view.changed(plain_settings)
    return view.shapes(shape)


def _elementwise(op: Op, shape: ShapeOf) -> Sequence[Shape]:
    """For an operator without a view: elementwise if its recorded shapes broadcast or, where it was
    refused and has no outputs, by its trait.
    """
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


_WITHOUT_PARAMETERS = {
    "Dropout", "Flatten", "PixelShuffle", "PixelUnshuffle", "ChannelShuffle", "Fold", "Unfold",
    "Upsample", "GLU",
    "RNN", "LSTM", "GRU",  # the view of a recurrent operator has the weights of all its layers
}  # fmt: skip


def _parameters(module: Module, settings: Mapping[str, Any]) -> dict[str, Shape]:
    """The shapes of a module's parameters and buffers, from its settings."""
    s = {name: plain(value) for name, value in settings.items()}
    base = module.base
    if base == "Linear":
        return {"weight": (s["out_features"], s["in_features"]), "bias": (s["out_features"],)}
    if base.startswith("Conv"):
        c_in, c_out = s["in_channels"], s["out_channels"]
        if c_in % s["groups"] or c_out % s["groups"]:
            raise Misfit
        outer, inner = (c_in, c_out) if "Transpose" in base else (c_out, c_in)
        weight = (outer, inner // s["groups"], *s["kernel_size"])
        return {"weight": weight, "bias": (c_out,)}
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
        return {}  # containers have no parameters of their own
    if "Pool" in base or "Pad" in base or base in _WITHOUT_PARAMETERS:
        return {}
    raise Unknown
