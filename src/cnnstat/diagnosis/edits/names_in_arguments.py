"""Arguments that are names: `nn.Linear(hidden, classes)` → `nn.Linear(hidden * 7 * 7, classes)`.

The layer's own argument is tried, and those of the calls that lead to it: `self.pair(a, b)` →
`self.pair(b, b)`. What takes its place are other names in scope with a value that fits, multiples,
parts and sums, and last the number itself.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from pathlib import Path
from typing import Any

from ...operators.joins import Cat
from ...operators.registry import view_of
from ...trace.records import Call, TensorSpec
from ..changes import Change, Proposal, Situation
from ..failing_code import scoped_creations
from ..layer_sites import LayerSite, layer_sites
from ..literals import plain
from ..naming import Places
from ..provenance import Provenance
from ..replay import INPUT_AXES, fits
from ..syntax import arguments_by_place, keywords_of
from ..weights import Features, Prior
from .constant_arguments import sides_of_flattened

_WIDTHS = ("out_features", "out_channels", "hidden_size", "embedding_dim", "num_features")
_LARGEST_FACTOR = 4096
_CALLS = 4  # that lead to a layer
_NAMES = 3  # of one value


def names_in_arguments(situation: Situation) -> Iterator[Proposal]:
    for call, expected, target in _sizes(situation):
        is_input = call.path == situation.failed_path
        assert call.module is not None
        names = INPUT_AXES.get(call.module.base, ("",))[:1] if is_input else _WIDTHS
        if situation.mismatch.kind == "state":
            names = ("hidden_size",)
        yield from _of_the_layer(situation, call, names, expected, target)
        yield from _of_calls_above(situation, call, expected, target)


def _sizes(situation: Situation) -> Iterator[tuple[Call, int, int]]:
    """The calls of layers that may have a wrong size, each with its size and the one that fits."""
    failure, mismatch = situation.failure, situation.mismatch
    call = failure.calls[-1] if failure.calls else None
    if call is None:
        return
    if call.module is not None and mismatch.expected and mismatch.actual:
        yield call, mismatch.expected, mismatch.actual
    provenance = Provenance(failure, Places(Path.cwd(), {}))
    operands: list[TensorSpec] = [mismatch.operand] if mismatch.operand else []
    if mismatch.kind in ("join", "broadcast") and failure.op is not None:
        operands = [x for x in failure.op.inputs if x.parameter is None]
    for operand, kind in product(operands, _axes(situation)):
        source = provenance.sizing_call(operand, kind)
        if source is None or source.module is None:
            continue
        for expected, actual in mismatch.pairs:
            yield source, actual, expected


def _axes(situation: Situation) -> list[str]:
    """The axes whose size may be wrong."""
    return {
        "features": ["features"], "product": ["features"], "broadcast": ["channels", "features"],
    }.get(situation.mismatch.kind, ["channels"])  # fmt: skip


def _of_the_layer(
    situation: Situation, call: Call, names: tuple[str, ...], value: int, target: int
) -> Iterator[Proposal]:
    """Another argument of the call that creates the layer."""
    before = _width_before(situation)
    for site in layer_sites(situation):
        if not any(module.path == call.path for module in site.modules):
            continue
        for name in names:
            node = site.written.get(name)
            if node is None or not _has_names(node) or value_of(node, _numbers(site)) != value:
                continue
            for text, prior in _texts(situation, site, node, value, target):
                if text in before:
                    prior = Prior.WIDTH_BEFORE
                fit = _fits(situation, site, name, text)
                if fit is not False:
                    features = Features(
                        prior=prior,
                        is_elsewhere=call.path != situation.failed_path,
                        further_layers=len(site.modules) - 1,
                    )
                    change = Change(replacements=site.settings({name: text}))
                    yield Proposal(change, features, fit)


def _width_before(situation: Situation) -> set[str]:
    """What is written as the width of the layer from which the size comes."""
    operand = situation.mismatch.operand
    if operand is None:
        return set()
    provenance = Provenance(situation.failure, Places(Path.cwd(), {}))
    sources = [provenance.sizing_call(operand, kind) for kind in _axes(situation)]
    paths = {source.path for source in sources if source is not None}
    return {
        site.text_of(site.written[name])
        for site in layer_sites(situation)
        if any(module.path in paths for module in site.modules)
        for name in _WIDTHS if name in site.written
    }  # fmt: skip


def _texts(
    situation: Situation, site: LayerSite, node: ast.expr, value: int, target: int
) -> Iterator[tuple[str, Prior]]:
    """What may be written for `target` where `node` is `value`."""
    written = site.text_of(node)
    factor = written if isinstance(node, ast.Name | ast.Attribute) else f"({written})"
    sides = sides_of_flattened(situation)
    if sides and target == value * prod(sides):
        yield f"{factor} * {' * '.join(map(str, sides))}", Prior.MAP_OF_NAME
    elif target == 2 * value:
        yield f"2 * {factor}", Prior.TWICE_A_NAME
    elif target % value == 0 and target // value <= _LARGEST_FACTOR:
        yield f"{factor} * {target // value}", Prior.MULTIPLE_OF_NAME
    elif value % target == 0 and target > 1 and not _has_factor(node, value // target):
        yield f"{factor} // {value // target}", Prior.MULTIPLE_OF_NAME
    numbers = _numbers(site)
    for name in _names_with(numbers, target):
        yield name, Prior.OTHER_NAME
    for name in _names_with(numbers, target // 2) if target % 2 == 0 else ():
        if target != 2 * value:
            yield f"2 * {name}", Prior.TWICE_A_NAME
    for name in _names_with(numbers, target - value):
        if name != written:
            is_joined = {value, target - value} <= _joined_widths(situation)
            prior = Prior.WIDTHS_JOINED if is_joined else Prior.MULTIPLE_OF_NAME
            yield f"{written} + {name}", prior
    yield str(target), Prior.NUMBER_FOR_NAME


def _joined_widths(situation: Situation) -> set[int]:
    """The widths of the tensors that were concatenated to the one that does not fit."""
    operand = situation.mismatch.operand
    provenance = Provenance(situation.failure, Places(Path.cwd(), {}))
    op = None if operand is None else provenance.op_behind(operand)
    view = None if op is None else view_of(op)
    return {x.shape[view.dim] for x in view.tensors} if isinstance(view, Cat) else set()


def _has_factor(node: ast.expr, divisor: int) -> bool:
    """Whether a written factor is divisible: half of `width * 8` is `width * 4`."""
    return (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Mult)
        and any(
            isinstance(side, ast.Constant)
            and isinstance(side.value, int)
            and side.value > divisor
            and side.value % divisor == 0
            for side in (node.left, node.right)
        )
    )


def _fits(situation: Situation, site: LayerSite, name: str, text: str) -> bool | None:
    """Whether the layers fit, each with the value that the text has where it is created."""
    settings = {}
    node = ast.parse(text, mode="eval").body
    for module in site.modules:
        scopes = situation.scopes[module.path]
        value = value_of(node, scopes[0].numbers)
        if value is None or module.base != site.name:
            return None
        old = plain(module.settings.get(name))
        settings[module.path] = {name: (*old[:-1], value) if isinstance(old, tuple) else value}
    return fits(situation.failure, settings, {})


def _of_calls_above(
    situation: Situation, call: Call, value: int, target: int
) -> Iterator[Proposal]:
    """Another name in the arguments of a call of the user's functions and classes."""
    calls = list(scoped_creations(situation, call.path))[1 : _CALLS + 1]
    for place, (scope, (code, node)) in enumerate(calls, 1):
        for argument in _arguments(node):
            if value_of(argument, scope.numbers) != value:
                continue
            for name in _names_with(scope.numbers, target):
                features = Features(prior=Prior.OTHER_NAME, further_back=place)
                change = Change(replacements=(code.replacement(argument, name),))
                yield Proposal(change, features)
            if target == 2 * value:
                change = Change(
                    replacements=(code.replacement(argument, f"2 * {code.text_of(argument)}"),)
                )
                yield Proposal(change, Features(prior=Prior.TWICE_A_NAME, further_back=place))


def _arguments(call: ast.Call) -> Iterator[ast.expr]:
    """Those with names; of `width if deep else 1` both values."""
    for argument in (*arguments_by_place(call), *keywords_of(call).values()):
        if isinstance(argument, ast.IfExp) and _has_names(argument):
            yield from (argument.body, argument.orelse)
        elif _has_names(argument):
            yield argument


# Names and their values


def _numbers(site: LayerSite) -> Mapping[str, Any]:
    return site.scope.numbers


def _names_with(numbers: Mapping[str, Any], value: int) -> list[str]:
    """Names that have a value, the arguments of the function before attributes."""
    found = [name for name, number in numbers.items() if plain(number) == value > 1]
    return sorted(found, key=lambda name: "." in name)[:_NAMES]


def _has_names(node: ast.expr) -> bool:
    return any(isinstance(part, ast.Name) for part in ast.walk(node))


def value_of(node: ast.expr, numbers: Mapping[str, Any]) -> int | None:
    """The integer that an expression over names and numbers is; None for any other."""
    if isinstance(node, ast.Constant):
        return node.value if type(node.value) is int else None
    if isinstance(node, ast.Name | ast.Attribute):
        found = plain(numbers.get(ast.unparse(node)))
        return found if isinstance(found, int) else None
    if not isinstance(node, ast.BinOp):
        return None
    left, right = value_of(node.left, numbers), value_of(node.right, numbers)
    if left is None or right is None:
        return None
    match node.op:
        case ast.Add():
            return left + right
        case ast.Sub():
            return left - right
        case ast.Mult():
            return left * right
        case ast.FloorDiv() if right:
            return left // right
        case ast.Pow() if 0 <= right < 8:
            return int(left**right)
    return None
