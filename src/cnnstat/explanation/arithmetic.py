"""The arithmetic of a call: a line for each product, and for each other counted operator."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from math import prod

from msgspec.structs import replace

from ..operators.convolution import Convolution
from ..operators.costs import REAL_MACS, Term
from ..operators.describe import dims_of, slides_a_window
from ..operators.linear import Matmul
from ..operators.registry import View
from ..operators.sequences import Attention, Recurrent
from .expression import KERNELS, SIDES, Expression, number, product, symbol, total
from .results import Explained, Step
from .subject import Operation, Subject, derived

Part = tuple[str, Expression, str | None]
"""A part of a sum: its name, its value, and a remark."""


def mac_steps(subject: Subject) -> list[Step]:
    terms = [term for op in subject.operations for term in _terms(subject, op)]
    return summed("macs", [(*term, None) for term in _named(subject, terms)])


def summed(figure: Explained, terms: Sequence[Part]) -> list[Step]:
    """A line for each term, one for equal terms, and one for the sum."""
    times = Counter((name, term.numbers) for name, term, _ in terms)
    lines: dict[tuple[str, str], Step] = {}
    for name, term, remark in terms:
        key = name, term.numbers
        if key not in lines:
            count = times[key]
            repeated = number(count) * term if count > 1 else term
            name = f"{name}, {count} times" if count > 1 else name
            lines[key] = derived(figure, name, repeated, remark)
    results = [line.result for line in lines.values() if not isinstance(line.result, tuple)]
    steps = list(lines.values())
    if len(steps) < 2:
        return steps
    return [*steps, replace(derived(figure, "sum", total(results)), is_sum=True)]


def _terms(subject: Subject, op: Operation) -> Iterator[tuple[str, Expression]]:
    cost = op.cost
    if cost is None or not cost.macs:
        return
    if isinstance(op.view, Recurrent):
        yield from _recurrent(op.view)
        return
    term = _symbolic(subject, op.view)
    if term is not None and term.value == cost.macs:
        terms = [term]
    elif term is not None and REAL_MACS * term.value == cost.macs:  # of complex numbers
        terms = [number(REAL_MACS) * term]
    else:
        terms = [product([*part.shape, *part.each]) for part in cost.products]
    for term in terms or [number(cost.macs)]:
        yield _name(subject, op), term


def _symbolic(subject: Subject, view: View | None) -> Expression | None:
    """The number of products in the symbols of the layer, for the most common operators."""
    if isinstance(view, Convolution):
        return _convolution(view)
    if isinstance(view, Matmul) and view.has_matrices:
        return _matrices(subject, view)
    return _attention(view) if isinstance(view, Attention) else None


def _name(subject: Subject, op: Operation) -> str:
    """The product's weight, by its name in the layer; `product` for two activations."""
    if not op.parameters:
        return "product"
    weight = max(op.parameters, key=lambda name: "weight" in name)
    return weight.removeprefix(f"{subject.call.path}.")


def _named(subject: Subject, terms: list[tuple[str, Expression]]) -> list[tuple[str, Expression]]:
    """The terms, with names for the two products of activations in attention."""
    bare = [place for place, (name, _) in enumerate(terms) if name == "product"]
    if subject.layer.role != "attention" or len(bare) != 2:
        return terms
    names = dict(zip(bare, ("scores, q · kᵀ", "scores · v"), strict=True))
    return [(names.get(place, name), term) for place, (name, term) in enumerate(terms)]


def weight_factors(view: Convolution) -> list[Expression]:
    """c_out, c_in / g, and the sides of the kernel; transposed c_in, c_out / g."""
    weight, groups = view.weight.shape, view.groups
    names = ("c_in", "c_out") if view.transposed else ("c_out", "c_in")
    kernel = [symbol(k, n) for k, n in zip(KERNELS[len(weight) - 2], weight[2:], strict=True)]
    second = symbol(names[1], weight[1] * groups)
    grouped = second / symbol("g", groups) if groups > 1 else second
    return [symbol(names[0], weight[0]), grouped, *kernel]


def _convolution(view: Convolution) -> Expression | None:
    dims = len(view.positions)
    if dims not in SIDES:
        return None
    names = SIDES[dims] if view.transposed else [f"{side}_out" for side in SIDES[dims]]
    places = [symbol(name, side) for name, side in zip(names, view.positions, strict=True)]
    return product([symbol("N", view.x.shape[0]), *places, *weight_factors(view)])


def _matrices(subject: Subject, view: Matmul) -> Expression:
    """[A,C] @ [C,B], or a batch of M."""
    first, second = view.a.shape, view.b.shape
    *batch, rows, inner = first
    if subject.layer.role == "linear" and not batch and len(subject.output) > 1:
        leading = subject.output[:-1]
        if product(leading).value == rows and second[-1] == subject.output[-1]:
            applied = symbol("N", rows) if len(leading) == 1 else symbol("rows", product(leading))
            return applied * symbol("in", inner) * symbol("out", second[-1])
    factors = [symbol("A", rows), symbol("C", inner), symbol("B", second[-1])]
    return product([symbol("M", batch[0]), *factors] if batch else factors)


def _attention(view: Attention) -> Expression:
    query, key, value = view.query.shape, view.key.shape, view.value.shape
    pairs = symbol("b", product(query[:-2])) * symbol("t", query[-2]) * symbol("u", key[-2])
    return pairs * (symbol("w", query[-1]) + symbol("v", value[-1]))


def _recurrent(view: Recurrent) -> Iterator[tuple[str, Expression]]:
    """At each step the batch is multiplied by both matrices of a layer: G·h × x and G·h × h."""
    steps, batch = view.steps_and_batch
    hidden = symbol("h", view.hidden_size)
    features = symbol("y", view.proj_size) if view.proj_size else hidden
    rows = symbol("G", view.gates) * hidden
    for number_of_layer, width in enumerate(view.layer_inputs, 1):
        weights = rows * symbol("x", width) + rows * features
        if view.proj_size:
            weights = weights + features * hidden
        for direction in ("", ", backward")[: view.directions]:
            name = f"layer {number_of_layer}{direction}"
            yield name, symbol("T", steps) * symbol("N", batch) * weights


def other_op_steps(subject: Subject) -> list[Step]:
    parts: list[Part] = []
    for op in subject.operations:
        cost = op.cost
        if cost is None or not cost.other_ops:
            continue
        parts += [_operations(subject, op, term) for term in cost.operations] or [
            (_name_of(op), number(cost.other_ops), "by the operator's own rule")
        ]
    return summed("other_ops", parts)


def _operations(subject: Subject, op: Operation, term: Term) -> Part:
    each = term.each
    if slides_a_window(op.name):  # torch runs some 1-d pools as 2-d operators
        each = each[-(dims_of(subject.call) or len(each)) :]
    remark = term.remark or (f"{prod(each)} for each element" if each else "one for each element")
    return term.name or _name_of(op), product([*term.shape, *each]), remark


def _name_of(op: Operation) -> str:
    return op.name.partition(".")[2].strip("_").removesuffix("_with_indices")
