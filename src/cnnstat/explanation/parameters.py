"""The parameters that are counted in a call, and the memory of its outputs."""

from __future__ import annotations

from ..operators.convolution import Convolution
from ..operators.registry import Trait, traits_of
from ..operators.sequences import Embedding, Recurrent
from ..results import Shape
from ..trace.records import Parameter, TensorSpec
from .arithmetic import summed, weight_factors
from .expression import Expression, product, symbol
from .results import Step
from .subject import Operation, Subject, stated


def parameter_steps(subject: Subject) -> list[Step]:
    terms = [
        (_name(subject, p.name), _size(subject, p), None if p.trainable else "frozen")
        for p in subject.parameters
    ]
    shared = [
        stated("params", _name(subject, name), 0, f"shared: counted at {path or 'the model'}")
        for name, path in subject.elsewhere.items()
    ]
    return [*summed("params", terms), *shared]


def _name(subject: Subject, name: str) -> str:
    return name.removeprefix(f"{subject.call.path}.")


def _size(subject: Subject, parameter: Parameter) -> Expression:
    if "MultiheadAttention" in subject.kinds and subject.output:
        return _attention(subject.output[-1], parameter)
    op = next((op for op in subject.operations if _is_read_by(op, parameter)), None)
    term = None if op is None else _symbolic(subject, op, parameter)
    if term is not None and term.value == parameter.numel:
        return term
    return product(parameter.shape)


def _attention(width: int, parameter: Parameter) -> Expression:
    """One matrix of 3 · E rows computes queries, keys and values."""
    factors: list[Expression | int] = []
    for size in parameter.shape:
        times = size // width if size % width == 0 else 0
        factors += [times] * (times > 1) + [symbol("E", width) if times else size]
    return product(factors)


def _is_read_by(op: Operation, parameter: Parameter) -> bool:
    """Whether the operator computes with it, rather than transposing or reshaping it."""
    return parameter.name in op.parameters and Trait.LAYOUT not in traits_of(op.name)


def _symbolic(subject: Subject, op: Operation, parameter: Parameter) -> Expression | None:
    bias = len(parameter.shape) == 1
    view = op.view
    if isinstance(view, Convolution):
        weight = weight_factors(view)
        return symbol("c_out", parameter.shape[0]) if bias else product(weight)
    if subject.layer.role == "linear" and len(parameter.shape) < 3:
        out = symbol("out", parameter.shape[0])
        return out if bias else out * symbol("in", parameter.shape[1])
    if Trait.NORM in traits_of(op.name) and bias:
        return symbol("c", parameter.shape[0])
    if isinstance(view, Embedding):
        return symbol("V", parameter.shape[0]) * symbol("E", parameter.shape[1])
    return _recurrent(view.gates, parameter) if isinstance(view, Recurrent) else None


def _recurrent(gates: int, parameter: Parameter) -> Expression:
    if "weight_hr" in parameter.name:
        return symbol("y", parameter.shape[0]) * symbol("h", parameter.shape[1])
    rows = symbol("G", gates) * symbol("h", parameter.shape[0] // gates)
    if len(parameter.shape) == 1:
        return rows
    hidden = parameter.shape[1] == parameter.shape[0] // gates
    columns = "x" if "weight_ih" in parameter.name else "h" if hidden else "y"
    return rows * symbol(columns, parameter.shape[1])


def activation_steps(subject: Subject) -> list[Step]:
    """The bytes of the outputs that the call created itself."""
    new_bytes, tensors = subject.layer.activation_bytes, subject.call.outputs
    if not new_bytes:
        return []
    if sum(t.nbytes for t in tensors) != new_bytes:
        remark = "the memory that it made itself: some outputs are views"
        return [stated("activation_bytes", "", new_bytes, remark)]
    names = [f"output {place}" for place in range(1, len(tensors) + 1)]
    terms = [
        (name, product([*_sizes(t), t.itemsize]), f"{t.itemsize} bytes an element, {t.dtype}")
        for name, t in zip(names if len(tensors) > 1 else ["output"], tensors, strict=True)
    ]
    return summed("activation_bytes", terms)


def _sizes(tensor: TensorSpec) -> Shape:
    """Factors of the number of elements: of a nested tensor, its rows have fewer than its shape."""
    return (tensor.numel,) if tensor.ragged else tensor.shape
