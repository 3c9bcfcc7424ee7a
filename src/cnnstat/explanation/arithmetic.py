"""The arithmetic outside MACs: for each operator, how many elements and how much for each."""

from __future__ import annotations

from ..operators.costs import cost_of
from ..operators.pooling import AdaptivePool, Pool
from ..operators.recurrent import Recurrent
from ..operators.registry import view_of
from ..trace.records import Op
from .expression import Expression, number, product
from .products import Term, summed
from .results import Step
from .subject import Subject
from .windows import sliding_in


def other_op_steps(subject: Subject) -> list[Step]:
    terms: list[Term] = []
    for op in subject.ops:
        cost = cost_of(op)
        if cost is not None and cost.other_ops:
            bias = cost.macs and cost.other_ops == op.outputs[0].numel
            name = "bias" if bias else _name(op)
            terms.append((name, *_worked(subject, op, cost.other_ops)))
    return summed("other_ops", terms)


def _name(op: Op) -> str:
    return op.name.partition(".")[2].strip("_").removesuffix("_with_indices")


_Worked = tuple[Expression, str]


def _worked(subject: Subject, op: Op, operations: int) -> _Worked:
    """The operations in numbers, and what they are counted by."""
    for worked in (_windows(subject, op), _bins(op), _recurrent(op)):
        if worked is not None and worked[0].value == operations:
            return worked
    return _per_element(op, operations)


def _windows(subject: Subject, op: Op) -> _Worked | None:
    sliding = sliding_in(subject)
    if sliding is None or sliding.op is not op or not isinstance(sliding.view, Pool):
        return None
    factors = [*op.outputs[0].shape, *sliding.window.kernel]
    return product(factors), "each output reads its window"


def _bins(op: Op) -> _Worked | None:
    view = view_of(op)
    if not isinstance(view, AdaptivePool):
        return None
    factors = [*op.outputs[0].shape, *view.largest]
    return product(factors), "each output reads its window, of ⌈n / m⌉ at most"


def _recurrent(op: Op) -> _Worked | None:
    view = view_of(op)
    if not isinstance(view, Recurrent):
        return None
    each = view.other_ops_per_feature
    factors = [*view.x.shape[:2], view.layers, view.directions, view.hidden_size, each]
    remark = f"{each} for each step, example, layer, direction and hidden feature"
    return product(factors), remark


def _per_element(op: Op, operations: int) -> _Worked:
    """As many operations for each element of the output, or of the input that is reduced."""
    tensors = [op.outputs[0], *op.inputs]
    fitting = [t for t in tensors if t.numel and operations % t.numel == 0]
    if not fitting:
        return number(operations), "by the operator's own rule"
    tensor = min(fitting, key=lambda t: operations // t.numel)
    each = operations // tensor.numel
    if each == 1:
        return product(tensor.shape), "one for each element"
    return product([*tensor.shape, each]), f"{each} for each element"
