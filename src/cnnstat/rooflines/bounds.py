"""Model → Roofline: a lower bound on the time of each call, summed up the tree.

The roofline model: an operator takes at least as long as its arithmetic at the device's peak
throughput, and at least as long as its bytes at the memory's bandwidth (Williams, Waterman and
Patterson 2009). Its arithmetic is its MACs, at two FLOP each; other operations are assumed to run
at the rate of the memory.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ..analysis.control_flow import sentences
from ..analysis.results import Analysis, Layer
from ..errors import CheckError, UsageError
from ..models.loaded import Loaded
from ..models.model_inputs import batch_of, with_batch
from ..operators.registry import cost_of
from ..pipeline import load_model, run_model
from ..run_config import ModelRequest, RunConfig
from ..trace.records import Op, Trace
from .gpus import peak_of
from .results import LayerWork, Roofline, Work
from .target import Target
from .traffic import Traffic, fused_calls, update_bytes


def predict_roofline(
    request: ModelRequest, target: Target, batch_size: int | None, config: RunConfig
) -> Roofline:
    """Bound the time of a forward pass of a model, or of a training step with `config.training`."""
    loaded = load_model(request)
    if not isinstance(loaded, Loaded):
        raise UsageError(
            f"{request.model} is a graph that is not run: a roofline needs a PyTorch model"
        )
    if batch_size is not None:
        loaded = with_batch(loaded, batch_size)
    run = run_model(loaded, config)
    return roofline_of(run.trace, run.analysis, target, batch_of(loaded))


def roofline_of(
    trace: Trace, analysis: Analysis, target: Target, batch_size: int | None
) -> Roofline:
    """The roofline of one step. A training step needs a trace with a backward pass."""
    layers = _layers(trace, analysis.layers, target)
    backward = _sum(layer.backward for layer in layers if layer.backward is not None)
    forward = _sum(layer.forward for layer in layers)
    update = _update(analysis, target)
    step = _sum([forward, backward, *([update] if update else [])])
    device, batch = target.device, batch_size
    peak = peak_of(device, target.precision)
    totals = analysis.totals
    return Roofline(
        tool=analysis.tool, model=analysis.model, inputs=analysis.inputs, mode=analysis.mode,
        lane=analysis.lane, device=device, precision=target.precision, peak_flops=peak,
        bandwidth=device.bandwidth, ridge=peak / device.bandwidth, batch_size=batch,
        training=trace.backward is not None, optimizer=target.optimizer,
        forward=forward, backward=None if trace.backward is None else backward, update=update,
        flops=step.flops, bytes=step.bytes, seconds=step.seconds,
        examples_per_second=batch / step.seconds if batch and step.seconds else None,
        uncounted=dict(Counter(totals.uncounted) + Counter(totals.backward_uncounted)),
        layers=layers, notes=(*analysis.notes, *_notes(trace, analysis, target)),
    )  # fmt: skip


def _layers(trace: Trace, rows: Sequence[Layer], target: Target) -> tuple[LayerWork, ...]:
    fused = fused_calls(trace, target.precision)
    forward = _by_call(trace.ops, target, {i: moved.forward for i, moved in fused.items()})
    backward = None
    if trace.backward is not None:
        moved_back = {i: moved.backward for i, moved in fused.items()}
        backward = _by_call(trace.backward.ops, target, moved_back)
    total = {
        call.index: forward[call.index] + (backward[call.index] if backward else Work())
        for call in trace.calls
    }
    for call in reversed(trace.calls):  # children follow their parents
        if call.parent is not None:
            total[call.parent] += total[call.index]
    return tuple(
        LayerWork(
            path=row.path, call=row.call, depth=row.depth, kind=row.kind, type=row.type,
            config=row.config, role=row.role, forward=forward[call.index],
            backward=backward[call.index] if backward is not None else None,
            total=total[call.index], seconds=total[call.index].seconds,
            intensity=total[call.index].intensity, bound=total[call.index].bound,
            exact=row.total.exact and not row.total.backward_uncounted,
        )
        for call, row in zip(trace.calls, rows, strict=True)
    )  # fmt: skip


def _by_call(ops: Sequence[Op], target: Target, fused: Mapping[int, int]) -> Mapping[int, Work]:
    """The work of each call; a call in `fused` counts as one operator that moves so many bytes."""
    traffic = Traffic(target.precision)
    by_call: dict[int, Work] = defaultdict(Work)
    macs_of_fused: Counter[int] = Counter()
    for op in ops:
        cost = cost_of(op)
        macs = 0 if cost is None else cost.macs
        if op.call in fused:
            macs_of_fused[op.call] += macs
        else:
            by_call[op.call] += target.work(macs, traffic.of(op))
    for index, macs in macs_of_fused.items():
        by_call[index] += target.work(macs, fused[index])
    return by_call


def _update(analysis: Analysis, target: Target) -> Work | None:
    if target.optimizer is None:
        return None
    trained = analysis.totals.trainable_params
    return target.work(0, update_bytes(target.optimizer, trained, target.precision))


def _sum(works: Iterator[Work] | Sequence[Work]) -> Work:
    return sum(works, Work())


def _notes(trace: Trace, analysis: Analysis, target: Target) -> Iterator[str]:
    if target.precision == "fp32" and "tf32" in target.device.peak_flops:
        yield (
            "fp32 is without tensor cores; PyTorch runs convolutions in TF32 there unless "
            "torch.backends.cudnn.allow_tf32 is False: --precision tf32"
        )
    fused = fused_calls(trace, target.precision)
    if any(op.name == "aten._safe_softmax" and op.call not in fused for op in trace.ops):
        yield (
            "attention inside a module of torch is taken as its operators one by one, the scores "
            "written and read; a fused kernel moves less"
        )
    if analysis.totals.bounded is not None:
        yield "sizes that depend on values are taken at their largest: this is no lower bound there"
    yield from sentences(analysis.totals)


def require_counted(roofline: Roofline) -> None:
    """Raise CheckError if the arithmetic of an operator is not counted."""
    if roofline.uncounted:
        raise CheckError(
            f"{roofline.model.spec}: the arithmetic is a lower bound",
            f"not counted: {', '.join(roofline.uncounted)}",
        )
