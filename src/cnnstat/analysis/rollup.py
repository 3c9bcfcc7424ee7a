"""Trace → Analysis: the cost of each call, summed up the tree of calls."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from ..operators.costs import Cost
from ..operators.describe import config_of, dims_of, window_of
from ..operators.reach import NOT_SPATIAL_FIELD, Field
from ..operators.registry import cost_of
from ..trace import records as trace_records
from ..trace.records import IN_THREADS, Call, Op, Parameter, Trace
from .control_flow import block_masks_of, bounds_of, branches_of, loops_of
from .dataflow import bounded_by, depth_of, peak_bytes
from .receptive_field import fields_of, last_map
from .results import Analysis, Input, Layer, Model, Role, RoleTally, Tally, Tool, Totals, ValueRead
from .roles import role_of, role_of_module
from .run_notes import complex_notes, run_notes
from .value_reads import depends_on


def analyse(trace: Trace, model: Model, tool: Tool) -> Analysis:
    """Compute all figures of a report from one recorded run."""
    ownership = Ownership(trace)
    fields = fields_of(trace)
    layers = _layers(trace, ownership, fields)
    total, last = layers[0].total, last_map(layers)
    params = [p for p in trace.parameters if not p.buffer]
    buffers = [p for p in trace.parameters if p.buffer]
    total_params = sum(p.numel for p in params)
    bounded = bounded_by(trace)
    reads = tuple(_value_read(read) for read in trace.value_reads)
    totals = Totals(
        branches=branches_of(trace, layers),
        loops=loops_of(trace),
        block_masks=block_masks_of(trace, layers),
        params=total_params,
        trainable_params=sum(p.numel for p in params if p.trainable),
        buffers=sum(p.numel for p in buffers),
        param_bytes=sum(p.nbytes for p in params),
        buffer_bytes=sum(p.nbytes for p in buffers),
        bytes_by_dtype=_bytes_by_dtype(params),
        macs=total.macs,
        flops=2 * total.macs,
        other_ops=total.other_ops,
        activation_bytes=total.activation_bytes,
        peak_bytes=peak_bytes(trace),
        depth=depth_of(trace),
        receptive_field=last.receptive_field if last else None,
        exact=(
            total.exact
            and (bounded is None or bounded.fixed_macs == total.macs)
            and not any(depends_on(read) for read in reads)
        ),
        uncounted=total.uncounted,
        bounded=bounded,
        value_reads=reads,
        backward_macs=total.backward_macs,
        backward_other_ops=total.backward_other_ops,
        backward_uncounted=total.backward_uncounted,
    )
    if bounds_of(totals):
        totals = replace(totals, exact=False)
    return Analysis(
        tool=tool,
        model=model,
        inputs=tuple(Input(i.name, i.tensor.shape, i.tensor.dtype) for i in trace.inputs),
        mode="train" if trace.mode == "train" else "eval",
        lane=trace.lane,
        totals=totals,
        by_role=_by_role(layers, ownership),
        layers=layers,
        notes=(*complex_notes(params), *_unused_notes(trace, ownership), *run_notes(trace)),
    )


def _value_read(read: trace_records.ValueRead) -> ValueRead:
    return ValueRead(read.function, read.file, read.line, read.path, read.origin, read.number,
                     read.effects)  # fmt: skip


def layers_of(trace: Trace) -> tuple[Layer, ...]:
    """The rows of a run, which may be incomplete."""
    return _layers(trace, Ownership(trace), fields_of(trace))


def _unused_notes(trace: Trace, ownership: Ownership) -> Iterator[str]:
    if any(op.name == IN_THREADS for op in trace.ops):  # they may use what else seems unused
        yield "threads that forward starts are not recorded: what they run is in no figure"
        return
    yield from ownership.notes()


def _layers(trace: Trace, ownership: Ownership, fields: Mapping[int, Field]) -> tuple[Layer, ...]:
    ops = _by_call((*trace.ops, *trace.uncounted_branches))
    backward = None if trace.backward is None else _by_call(trace.backward.ops)
    children: dict[int, list[int]] = defaultdict(list)
    for call in trace.calls:
        if call.parent is not None:
            children[call.parent].append(call.index)
    self_tally = {}
    for call in trace.calls:
        forward = _self_tally(call, ownership, ops[call.index], leaf=not children[call.index])
        gradients = None if backward is None else backward[call.index]
        self_tally[call.index] = _with_backward(forward, gradients)
    total: dict[int, Tally] = {}
    for call in reversed(trace.calls):  # children follow their parents
        parts = (_counted(trace.calls[c], total[c]) for c in children[call.index])
        total[call.index] = sum(parts, self_tally[call.index])
    counted: dict[int | None, bool] = {None: True}
    for call in trace.calls:
        counted[call.index] = counted[call.parent] and call.counted
    return tuple(
        _layer(call, self_tally[call.index], total[call.index], ownership, ops[call.index], fields,
               counted[call.index])
        for call in trace.calls
    )  # fmt: skip


def _counted(call: Call, total: Tally) -> Tally:
    """What a call adds to the call around it: of a branch that does not count, parameters."""
    if call.counted:
        return total
    training = None if total.backward_macs is None else 0
    return Tally(params=total.params, backward_macs=training, backward_other_ops=training)


def _layer(
    call: Call, self_tally: Tally, total: Tally, ownership: Ownership, ops: list[Op],
    fields: Mapping[int, Field], counted: bool,
) -> Layer:  # fmt: skip
    field = (call.outputs and fields.get(call.outputs[0].value)) or NOT_SPATIAL_FIELD
    parameters = ownership.by_call.get(call.index, [])
    return Layer(
        path=call.path,
        call=call.call,
        depth=call.depth,
        kind=call.kind,
        type=call.type,
        config=config_of(call, ops),
        role=role_of(call, ops),
        inputs=tuple(t.shape for t in call.inputs),
        outputs=tuple(t.shape for t in call.outputs),
        params=self_tally.params,
        frozen_params=sum(p.numel for p in parameters if not p.trainable),
        param_bytes=sum(p.nbytes for p in parameters),
        macs=self_tally.macs,
        other_ops=self_tally.other_ops,
        activation_bytes=self_tally.activation_bytes,
        total=total,
        window=window_of(ops, dims_of(call)),
        receptive_field=field.size,
        stride=field.stride,
        receptive_field_reason=field.reason,
        shared_with=ownership.shared_with(call),
        exact=self_tally.exact,
        backward_macs=self_tally.backward_macs,
        backward_other_ops=self_tally.backward_other_ops,
        counted=counted,
    )


def _self_tally(call: Call, ownership: Ownership, ops: list[Op], leaf: bool) -> Tally:
    cost, uncounted = _cost(ops)
    params = sum(p.numel for p in ownership.by_call.get(call.index, []))
    # A container returns outputs of its children, so only leaves count activations.
    activation_bytes = call.new_bytes if leaf else 0
    return Tally(params, cost.macs, cost.other_ops, activation_bytes, uncounted)


def _with_backward(self_tally: Tally, ops: list[Op] | None) -> Tally:
    if ops is None:
        return self_tally
    cost, uncounted = _cost(ops)
    return replace(
        self_tally,
        backward_macs=cost.macs,
        backward_other_ops=cost.other_ops,
        backward_uncounted=uncounted,
    )


def _cost(ops: Sequence[Op]) -> tuple[Cost, dict[str, int]]:
    """The cost of the ops, and the number of runs of each op whose cost is unknown."""
    macs = other_ops = 0
    uncounted: dict[str, int] = {}
    for op in ops:
        cost = cost_of(op)
        if cost is None:
            uncounted[op.name] = uncounted.get(op.name, 0) + 1
        else:
            macs += cost.macs
            other_ops += cost.other_ops
    return Cost(macs, other_ops), uncounted


def _by_call(ops: Sequence[Op]) -> Mapping[int, list[Op]]:
    by_call: dict[int, list[Op]] = defaultdict(list)
    for op in ops:
        by_call[op.call].append(op)
    return by_call


def _bytes_by_dtype(params: list[Parameter]) -> dict[str, int]:
    sizes: Counter[str] = Counter()
    for parameter in params:
        sizes[parameter.dtype] += parameter.nbytes
    return dict(sizes)


def _by_role(layers: tuple[Layer, ...], ownership: Ownership) -> dict[str, RoleTally]:
    """Figures summed by role; unused parameters count with the role of their module."""
    params: Counter[str] = Counter()
    macs: Counter[str] = Counter()
    for layer in layers:
        params[layer.role] += layer.params
        macs[layer.role] += layer.macs if layer.counted else 0
    for parameter in ownership.unused:
        params[ownership.role_of_unused(parameter)] += parameter.numel
    roles = [role for role in {**params, **macs} if params[role] or macs[role]]
    roles.sort(key=lambda role: -params[role])
    return {role: RoleTally(params[role], macs[role]) for role in roles}


class Ownership:
    """Assigns each parameter to one call, so that it counts once.

    A parameter belongs to the first call of the module that registers it, if this call is a leaf
    of the tree; otherwise to the first call in which an op used it, such as a `matmul` in the
    container that registers it. A parameter that no op used belongs to no call.
    """

    def __init__(self, trace: Trace) -> None:
        parameters = [p for p in trace.parameters if not p.buffer]
        containers = {call.parent for call in trace.calls}
        self._modules = trace.modules
        self._called = {call.path for call in trace.calls}
        self._first_call: dict[str, int] = {}
        for call in trace.calls:
            if call.kind == "module":
                self._first_call.setdefault(call.path, call.index)
        first_use: dict[str, int] = {}
        for op in (*trace.ops, *trace.uncounted_branches):
            for tensor in op.inputs:
                if tensor.parameter is not None and op.call >= 0:
                    first_use.setdefault(tensor.parameter, op.call)
        self.by_call: dict[int, list[Parameter]] = defaultdict(list)
        self.unused: list[Parameter] = []
        for parameter in parameters:
            owner = self._first_call.get(parameter.owner)
            if owner is None or owner in containers:
                owner = first_use.get(parameter.name)
            (self.unused if owner is None else self.by_call[owner]).append(parameter)
        self._owners = {p.owner: p.owner for p in parameters}
        for parameter in parameters:
            for alias in parameter.aliases:
                self._owners.setdefault(alias.rpartition(".")[0], parameter.owner)

    def shared_with(self, call: Call) -> str | None:
        """The module whose first call counts the parameters of `call`; None if `call` does."""
        owner = self._owners.get(call.path) if call.module else None
        counted_here = owner == call.path and self._first_call[call.path] == call.index
        return None if counted_here else owner

    def role_of_unused(self, parameter: Parameter) -> Role:
        module = self._modules.get(parameter.owner)
        return (module and role_of_module(module.base)) or "other"

    def notes(self) -> tuple[str, ...]:
        """Notes on parameters that no call used: they are in the total but in no row."""
        unused: Counter[str] = Counter()
        for parameter in self.unused:
            unused[self._uncalled_root(parameter)] += parameter.numel
        return tuple(
            f"{path} was never used: its {params:,} parameters are in the total and in no row"
            for path, params in unused.items()
        )

    def _uncalled_root(self, parameter: Parameter) -> str:
        """The outermost module around the parameter of which no part was called."""
        parts = parameter.name.split(".")
        for length in range(1, len(parts)):
            path = ".".join(parts[:length])
            if not any(called == path or called.startswith(f"{path}.") for called in self._called):
                return path
        return parameter.name
