"""Tensors that do not go together: one of them is projected, resized, transposed, or gets an axis.

A residual block that changes the channels or the sides needs a 1×1 convolution on its shortcut; a
decoder whose maps are a pixel too small is resized to the map of the encoder.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from itertools import combinations
from pathlib import Path

from ...operators.joins import Cat
from ...operators.registry import view_of
from ...results import Shape
from ...trace.records import Call, TensorSpec
from ..changes import Change, Proposal, Situation
from ..failing_code import FailingCode, creations, failing_code
from ..literals import plain
from ..naming import Places
from ..provenance import Provenance
from ..source_text import Replacement
from ..syntax import Code, argument, arguments_of, is_simple, name_of_called, nodes
from ..weights import Features, Prior

_STRIDES = range(1, 9)
_NAMES = ("shortcut", "downsample", "projection", "shortcut_projection")


def joined_tensors(situation: Situation) -> Iterator[Proposal]:
    """For `a + b`, `a * b`, `a @ b` and `torch.cat([a, b])`."""
    site, op = failing_code(situation), situation.failure.op
    if (
        site is None
        or op is None
        or situation.mismatch.kind not in ("broadcast", "join", "product")
    ):
        return
    view = view_of(op)
    is_cat = isinstance(view, Cat)
    specs = list(view.tensors) if isinstance(view, Cat) else list(op.inputs[:2])
    written = _operands(site)
    if len(written) != len(specs) or len(specs) < 2:
        return
    pairs = list(zip(written, specs, strict=True))
    if situation.mismatch.kind == "product":
        yield from _transposed(site.code, pairs)
        return
    yield from _with_axes(site.code, pairs, is_cat)
    if len({len(spec.shape) for spec in specs}) > 1:
        return
    # The branch with more calls is the one that is resized: the other one goes past it.
    provenance = Provenance(situation.failure, Places(Path(), {}))
    pairs.sort(key=lambda pair: len(provenance.calls_before(pair[1])))
    prior = Prior.RESIZED_ROUNDED if _rounds_down(situation) else Prior.RESIZED
    for replacements in _resized(site.code, pairs, view.dim if isinstance(view, Cat) else None):
        yield _proposal(prior, *replacements)
    if not is_cat:
        yield from _projected(situation, site, pairs[0], pairs[1])


Operand = tuple[ast.expr, TensorSpec]


def _operands(site: FailingCode) -> list[ast.expr]:
    """The expressions of the tensors that are joined."""
    node = site.node
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    if isinstance(node, ast.AugAssign):
        return [node.target, node.value]
    if not isinstance(node, ast.Call):
        return []
    written = arguments_of(node)
    if len(written) >= 1 and isinstance(written[0], ast.List | ast.Tuple):
        return list(written[0].elts)
    operand = site.operand
    if operand is not None and operand not in written and written:  # a method
        return [operand, written[0]]
    return written[:2]


def _proposal(prior: Prior, *replacements: Replacement) -> Proposal:
    return Proposal(Change(replacements=replacements), Features(prior=prior))


# Another layout


def _transposed(code: Code, pairs: Sequence[Operand]) -> Iterator[Proposal]:
    """For a product of rows with rows."""
    (left, a), (right, b) = pairs
    if min(len(a.shape), len(b.shape)) < 2 or any(_is_transposed(node) for node, _ in pairs):
        return
    text = ".transpose(-2, -1)"
    if a.shape[-1] == b.shape[-1]:
        yield _proposal(Prior.TRANSPOSED, code.wrapped(right, "", text))
    if a.shape[-2] == b.shape[-2]:
        yield _proposal(Prior.TRANSPOSED, code.wrapped(left, "", text))


def _is_transposed(node: ast.expr) -> bool:
    """Whether the axes of an operand are moved where it is written: the user thought of them."""
    names = {name_of_called(call) for call in nodes(node, ast.Call)}
    names |= {attribute.attr for attribute in nodes(node, ast.Attribute)}
    return bool(names & {"transpose", "permute", "swapaxes", "t", "T", "mT"})


def _with_axes(code: Code, pairs: Sequence[Operand], is_cat: bool) -> Iterator[Proposal]:
    """An axis of 1 for the tensor with fewer axes: `weights[:, :, None, None]`."""
    longest = max((spec.shape for _, spec in pairs), key=len)
    for node, spec in pairs:
        missing = len(longest) - len(spec.shape)
        if not 0 < missing <= 2 or not spec.shape or (is_cat and missing > 1):
            continue
        for places in combinations(range(len(longest)), missing):
            if not _aligned(spec.shape, longest, places, is_cat) or _is_assigned(code, node):
                continue
            yield _proposal(Prior.BROADCAST_AXIS, code.wrapped(node, "", _index(places, longest)))


def _aligned(shape: Shape, longest: Shape, places: tuple[int, ...], is_cat: bool) -> bool:
    """Whether the axes of a tensor, with new ones at `places`, are those of the longest."""
    rest = [size for axis, size in enumerate(longest) if axis not in places]
    fit = all(a in (b, 1) if not is_cat else a == b for a, b in zip(shape, rest, strict=True))
    return fit and shape[0] == rest[0]


def _index(places: tuple[int, ...], longest: Shape) -> str:
    if len(places) == 1:
        place = places[0] if places[0] < len(longest) - 1 else -1
        return f".unsqueeze({place})"
    items = ["None" if axis in places else ":" for axis in range(len(longest))]
    return f"[{', '.join(items)}]"


# Another size


def _resized(
    code: Code, pairs: Sequence[Operand], joined: int | None
) -> Iterator[list[Replacement]]:
    """The maps of later branches interpolated to the sides of the first."""
    rank = len(pairs[0][1].shape)
    function = code.function("interpolate")
    if rank not in (3, 4) or function is None or (joined is not None and joined % rank != 1):
        return
    if joined is None and len({spec.shape[1] for _, spec in pairs}) > 1:
        return
    (reference, spec), *others = pairs
    largest = max((spec for _, spec in pairs), key=lambda spec: spec.shape[2:])
    smallest = min((spec for _, spec in pairs), key=lambda spec: spec.shape[2:])
    factor = largest.shape[2] // max(1, smallest.shape[2])
    if factor > 1:  # a smaller scale, not a rounded side: to the sides of the largest
        (reference, spec), *others = sorted(pairs, key=lambda pair: pair[1] is not largest)
    different = [(node, other) for node, other in others if other.shape[2:] != spec.shape[2:]]
    if is_simple(reference):
        size = f"size={code.text_of(reference)}.shape[2:]"
    elif all(s.shape[2:] == tuple(n // factor for n in spec.shape[2:]) for _, s in different):
        size = f"scale_factor={factor}"
    else:
        return
    if different and not any(_is_assigned(code, node) for node, _ in different):
        yield [code.wrapped(n, f"{function}(", f", {size})") for n, _ in different]


def _rounds_down(situation: Situation) -> bool:
    """Whether maps are pooled and exactly doubled, so that only even sides return to their size."""
    modules = [call.module for call in situation.failure.trace.calls if call.module]
    doubling = [module for module in modules if module.base.startswith("ConvTranspose")]
    is_doubled = any(module.base == "Upsample" for module in modules) or bool(doubling)
    return is_doubled and all(
        plain(m.settings["kernel_size"]) == plain(m.settings["stride"]) for m in doubling
    )


def _is_assigned(code: Code, node: ast.expr) -> bool:
    """Whether it is the left side of an `+=`, which cannot be another expression."""
    above = code.parents[node]
    return isinstance(above, ast.AugAssign) and above.target is node


# A projection


def _projected(
    situation: Situation, site: FailingCode, shortcut: Operand, branch: Operand
) -> Iterator[Proposal]:
    """A convolution of 1×1 on the shortcut: created in `__init__`, called in `forward`."""
    (node, x), (_, y) = shortcut, branch
    stride = _stride(x.shape, y.shape)
    code = site.code
    cls = code.around(node, ast.ClassDef)
    init = (
        next((f for f in nodes(cls, ast.FunctionDef) if f.name == "__init__"), None)
        if cls
        else None
    )
    last = None if init is None else _last_layer(init)
    if stride is None or cls is None or init is None or last is None or site.function is init:
        return
    if _is_assigned(code, node):
        return
    layer = code.layer(f"Conv{len(x.shape) - 2}d") if len(x.shape) > 2 else code.layer("Linear")
    if layer is None:
        return
    written = _written_sizes(situation, code, x, y, stride)
    arguments = [written["in"], written["out"]]
    if len(x.shape) > 2:
        arguments += ["1", written["stride"]] if stride > 1 else ["1"]
    name = next(n for n in _NAMES if f"self.{n}" not in code.text_of(cls))
    created = code.line_after(last, f"self.{name} = {layer}({', '.join(arguments)})")
    if created is not None:
        called = code.replacement(node, f"self.{name}({code.text_of(node)})")
        yield _proposal(Prior.PROJECTED, called, created)


def _stride(shape: Shape, target: Shape) -> int | None:
    """The stride with which a kernel of 1 makes the sides of the target."""
    if len(shape) != len(target) or shape[0] != target[0] or len(shape) not in (2, 3, 4):
        return None
    for stride in _STRIDES:
        if all((a - 1) // stride + 1 == b for a, b in zip(shape[2:], target[2:], strict=True)):
            return stride if stride > 1 or shape[1] != target[1] else None
    return None


def _last_layer(init: ast.FunctionDef) -> ast.stmt | None:
    """The last statement of a constructor that assigns to an attribute."""
    found = [
        statement for statement in init.body if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Attribute)
    ]  # fmt: skip
    return found[-1] if found else None


def _written_sizes(
    situation: Situation, code: Code, x: TensorSpec, y: TensorSpec, stride: int
) -> dict[str, str]:
    """The sizes of the projection as the layers of the branch have them in the source."""
    failed = situation.failure.calls[-1]
    siblings = [
        call for call in situation.failure.trace.calls
        if call.parent == failed.parent and call.module is not None
    ]  # fmt: skip
    found = {"in": str(x.shape[1]), "out": str(y.shape[1]), "stride": str(stride)}
    sizes = {
        "in": ("in_channels", "in_features", 0, x.shape[1]),
        "out": ("out_channels", "out_features", 1, y.shape[1]),
        "stride": ("stride", "stride", 3, stride),
    }
    for part, (name, other, position, value) in sizes.items():
        for call in siblings:
            text = _written(situation, code, call, {name, other}, position, value)
            if text is not None:
                found[part] = text
                break
    return found


def _written(
    situation: Situation, code: Code, call: Call, names: set[str], position: int, value: int
) -> str | None:
    """The text of an argument with which a layer is created, if it has this value."""
    assert call.module is not None
    settings = {n: plain(v) for n, v in call.module.settings.items() if n in names}
    if not any(v == value or v == (value,) * len(_tuple(v)) for v in settings.values()):
        return None
    for created_in, node in creations(situation, call.path):
        if created_in is not code or name_of_called(node) != call.module.base:
            return None
        for name in settings:
            written = argument(node, position, name)
            if written is not None and is_simple(written):
                return code.text_of(written)
        return None
    return None


def _tuple(value: object) -> tuple[object, ...]:
    return value if isinstance(value, tuple) else ()
