"""Maps of a decoder that are a pixel too small for those of the encoder: resized or padded."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import chain

from ...trace.records import TensorSpec
from ..changes import Change, Proposal, Situation
from ..failing_code import FailingCode
from ..literals import plain
from ..source_text import Replacement
from ..syntax import Code, arguments_of, is_simple, keywords_of, name_of_called
from ..weights import Features, Prior
from .shortcuts import Operand, is_assigned


def resized_maps(
    situation: Situation, site: FailingCode, pairs: Sequence[Operand], joined: int | None
) -> Iterator[Proposal]:
    """The maps of later branches with the sides of the first; `joined` is the axis of a `cat`."""
    code, rank = site.code, len(pairs[0][1].shape)
    if rank not in (3, 4) or (joined is not None and joined % rank != 1):
        return
    if joined is None and len({spec.shape[1] for _, spec in pairs}) > 1:
        return
    around = situation.failure.calls[-2:-1]
    of_block = {spec.value for call in around for spec in call.inputs}
    is_residual = joined is None and any(spec.value in of_block for _, spec in pairs)
    is_scaled = _scale([spec for _, spec in pairs]) > 1
    is_rounded = _rounds_down(situation)
    prior = Prior.RESIZED_ROUNDED if is_rounded else Prior.RESIZED
    options = [(Prior.RESCALED if is_scaled else prior, _interpolated(code, pairs))]
    if is_rounded and not is_scaled:
        options.append((Prior.PADDED, _padded(code, pairs)))
    for kind, edits in options:
        if edits is None:
            continue
        yield _proposal(kind, edits, is_residual)
        if joined is not None and (also := _at_other_levels(site, pairs, kind)):
            yield _proposal(kind, [*edits, *also], is_residual)


def _proposal(prior: Prior, edits: Sequence[Replacement], is_residual: bool) -> Proposal:
    return Proposal(
        Change(replacements=tuple(edits)), Features(prior=prior, is_residual=is_residual)
    )


def _interpolated(code: Code, pairs: Sequence[Operand]) -> list[Replacement] | None:
    function = code.function("interpolate")
    (reference, spec), *others = pairs
    factor = _scale([spec for _, spec in pairs])
    if factor > 1:  # to the sides of the largest
        largest = max((spec for _, spec in pairs), key=lambda spec: spec.shape[2:])
        (reference, spec), *others = sorted(pairs, key=lambda pair: pair[1] is not largest)
    different = [(node, other) for node, other in others if other.shape[2:] != spec.shape[2:]]
    if function is None or not different or any(is_assigned(code, node) for node, _ in different):
        return None
    if is_simple(reference):
        size = f"size={code.text_of(reference)}.shape[2:]"
    elif all(s.shape[2:] == tuple(n // factor for n in spec.shape[2:]) for _, s in different):
        size = f"scale_factor={factor}"
    else:
        return None
    return [_resized(code, node, function, size) for node, _ in different]


def _resized(code: Code, node: ast.expr, function: str, size: str) -> Replacement:
    """A map resized; where it is resized already, to another size."""
    factor = keywords_of(node).get("scale_factor") if isinstance(node, ast.Call) else None
    if isinstance(node, ast.Call) and factor is not None and name_of_called(node) == "interpolate":
        written = next(k for k in node.keywords if k.value is factor)
        return code.replacement(written, size)
    return code.wrapped(node, f"{function}(", f", {size})")


def _padded(code: Code, pairs: Sequence[Operand]) -> list[Replacement] | None:
    """Zeros behind the last rows and columns; not for a map that is larger, which would be cut."""
    (reference, spec), *others = pairs
    different = [(node, other) for node, other in others if other.shape[2:] != spec.shape[2:]]
    is_larger = any(n > m for _, other in different
                    for n, m in zip(other.shape[2:], spec.shape[2:], strict=True))  # fmt: skip
    edits = [_pad(code, node, reference, len(spec.shape)) for node, _ in different]
    return None if is_larger or not all(edits) else list(chain.from_iterable(edits)) or None


def _pad(code: Code, node: ast.expr, reference: ast.expr, rank: int) -> list[Replacement]:
    """Inserted around a map, so that it is another place than that of a map resized."""
    function = code.function("pad")
    if function is None or not (is_simple(node) and is_simple(reference)):
        return []
    x, target = code.text_of(node), code.text_of(reference)
    missing = ", ".join(f"0, {target}.shape[{axis}] - {x}.shape[{axis}]"
                        for axis in range(-1, 1 - rank, -1))  # fmt: skip
    return [
        code.inserted_before(node, f"{function}("),
        code.inserted_behind(node, f", ({missing}))"),
    ]


def _at_other_levels(
    site: FailingCode, pairs: Sequence[Operand], prior: Prior
) -> list[Replacement]:
    """The same edit of the other concatenations of the function, which fail for other sizes."""
    written = operands_of(site.node, site.operand)
    if site.function is None or len(written) != 2 or not isinstance(site.node, ast.Call):
        return []
    first = written.index(pairs[0][0])
    function = site.code.function("interpolate")
    found: list[Replacement] = []
    for call in site.code.calls_of(name_of_called(site.node), site.function):
        operands = operands_of(call, None)
        if call is site.node or len(operands) != 2:
            continue
        reference, node = operands[first], operands[1 - first]
        if not is_simple(reference):
            continue
        if prior is Prior.PADDED:
            found += _pad(site.code, node, reference, len(pairs[0][1].shape))
        else:
            size = f", size={site.code.text_of(reference)}.shape[2:])"
            found.append(site.code.wrapped(node, f"{function}(", size))
    return found


def operands_of(node: ast.AST, operand: ast.expr | None) -> list[ast.expr]:
    """The expressions of the tensors that are joined; `operand` is the object of a method."""
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.AugAssign):
        return [node.target, node.value]
    if not isinstance(node, ast.Call):
        return []
    written = arguments_of(node)
    if len(written) >= 1 and isinstance(written[0], ast.List | ast.Tuple):
        return list(written[0].elts)
    if operand is not None and operand not in written and written:
        return [operand, written[0]]
    return written[:2]


def _scale(specs: Sequence[TensorSpec]) -> int:
    """How many times the smallest map fits into the largest: 1 if a side was only rounded."""
    sides = [spec.shape[2] for spec in specs if len(spec.shape) > 2]
    return max(sides, default=1) // max(1, min(sides, default=1))


def _rounds_down(situation: Situation) -> bool:
    """Whether maps are pooled and exactly doubled, so that only even sides return to their size."""
    modules = [call.module for call in situation.failure.trace.calls if call.module]
    doubling = [module for module in modules if module.base.startswith("ConvTranspose")]
    is_doubled = any(module.base == "Upsample" for module in modules) or bool(doubling)
    return is_doubled and all(
        plain(m.settings["kernel_size"]) == plain(m.settings["stride"]) for m in doubling
    )
