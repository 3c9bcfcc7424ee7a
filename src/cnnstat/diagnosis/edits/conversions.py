"""Conversions of dtypes: where a tensor of another dtype is created, or in front of a layer."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...trace.records import About, Op, TensorSpec
from ..changes import Change, Proposal, Situation
from ..failing_code import FailingCode, failing_code
from ..source_text import Replacement
from ..syntax import Code, argument, arguments_of, code_of, name_of_called, nodes
from ..weights import Features, Prior

_TO_FLOAT, _TO_INDICES = ".float()", ".long()"
_WIDER = {"double": "float64", "half": "float16", "bfloat16": "bfloat16"}


def conversions(situation: Situation) -> Iterator[Proposal]:
    failure = situation.failure
    is_index = situation.mismatch.kind == "dtype"
    if failure.what != "dtypes" and About.DTYPES not in failure.about and not is_index:
        return
    site = failing_code(situation)
    if not is_index:
        for code, value in _float64_sources(situation):
            inner = _inside_parameter(value)
            yield _proposal(code.wrapped(inner, "", _TO_FLOAT), Prior.CREATED_WITH_DTYPE)
        yield from _without_conversion(situation)
    if site is not None:
        for operand in _operands(site):
            text = _TO_INDICES if is_index else _TO_FLOAT
            yield _proposal(site.code.wrapped(operand, "", text), Prior.CONVERSION)


def _proposal(replacement: Replacement, prior: Prior) -> Proposal:
    return Proposal(Change(replacements=(replacement,)), Features(prior=prior))


def _operands(site: FailingCode) -> list[ast.expr]:
    node = site.node
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.AugAssign):
        return [node.value]
    if site.entered is None and isinstance(node, ast.Call):
        several = [n for n in arguments_of(node)[:2] if not isinstance(n, ast.Constant)]
        return [*([site.operand] if site.operand else []), *several]
    return [site.operand] if site.operand is not None else []


# Where a float64 tensor is created


def _float64_sources(situation: Situation) -> Iterator[tuple[Code, ast.expr]]:
    """The expressions whose values are the buffers and parameters of float64 that were used."""
    names = dict.fromkeys(
        spec.parameter.rpartition(".")[2]
        for op in (*situation.failure.trace.ops, *_last(situation))
        for spec in op.inputs
        if spec.parameter is not None and spec.dtype == "float64" and _is_mixed(op)
    )
    for file, text in situation.texts.items():
        code = code_of(file, text)
        for name in names:
            yield from ((code, value) for value in _values_of(code, name))


def _last(situation: Situation) -> tuple[Op, ...]:
    op = situation.failure.op
    return () if op is None else (op,)


def _is_mixed(op: Op) -> bool:
    tensors: tuple[TensorSpec, ...] = op.inputs
    return len({spec.dtype for spec in tensors}) > 1


def _values_of(code: Code, attribute: str) -> Iterator[ast.expr]:
    """What is assigned to an attribute of `self`, or registered as a buffer of this name."""
    for node in nodes(code.tree, ast.stmt):
        if isinstance(node, ast.Assign) and node.targets:
            target = node.targets[0]
            if isinstance(target, ast.Attribute) and target.attr == attribute:
                yield node.value
    for call in code.calls_of("register_buffer", code.tree):
        name, value = argument(call, 0, "name"), argument(call, 1, "tensor")
        if isinstance(name, ast.Constant) and name.value == attribute and value is not None:
            yield value


def _inside_parameter(value: ast.expr) -> ast.expr:
    """The tensor of an `nn.Parameter`."""
    if isinstance(value, ast.Call) and name_of_called(value) == "Parameter":
        return argument(value, 0, "data") or value
    return value


def _without_conversion(situation: Situation) -> Iterator[Proposal]:
    """The code without a `.double()` or `.half()` of layers or tensors, or with `.float()`."""
    dtypes = {spec.dtype for op in _last(situation) for spec in op.inputs}
    for file, text in situation.texts.items():
        code = code_of(file, text)
        for method, dtype in _WIDER.items():
            for call in code.calls_of(method, code.tree) if dtype in dtypes else ():
                if isinstance(call.func, ast.Attribute) and not arguments_of(call):
                    is_statement = isinstance(code.parents[call], ast.Expr)
                    bare = code.text_of(call.func.value) + ".float()" * is_statement
                    yield _proposal(code.replacement(call, bare), Prior.CREATED_WITH_DTYPE)
