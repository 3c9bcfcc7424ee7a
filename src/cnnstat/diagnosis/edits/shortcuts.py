"""A layer of 1×1 on the shortcut of a residual block, where the block changes channels or sides."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...results import Shape
from ...trace.records import Call, TensorSpec
from ..changes import Change, Proposal, Situation
from ..failing_code import FailingCode, creations
from ..literals import plain
from ..syntax import Code, argument, is_simple, name_of_called
from ..weights import Features, Prior

Operand = tuple[ast.expr, TensorSpec]
"""The expression of a tensor, and the tensor."""

_STRIDES = range(1, 9)
_NAMES = ("shortcut", "downsample", "projection", "shortcut_projection")


def is_assigned(code: Code, node: ast.expr) -> bool:
    """Whether it is the left side of an `+=`, which cannot be another expression."""
    above = code.parents[node]
    return isinstance(above, ast.AugAssign) and above.target is node


def projected(
    situation: Situation, site: FailingCode, shortcut: Operand, branch: Operand
) -> Iterator[Proposal]:
    """A convolution of 1×1 on the shortcut: created in `__init__`, called in `forward`."""
    (node, x), (_, y) = shortcut, branch
    stride = _stride(x.shape, y.shape)
    code = site.code
    cls = code.around(node, ast.ClassDef)
    last = None if cls is None else _last_layer(cls)
    if stride is None or cls is None or last is None or is_assigned(code, node):
        return
    if x.parameter or y.parameter or not _computed_by_layer(situation, y):
        return
    if site.function is not None and site.function.name == "__init__":
        return
    layer = code.layer(f"Conv{len(x.shape) - 2}d") if len(x.shape) > 2 else code.layer("Linear")
    if layer is None:
        return
    written = _written_sizes(situation, code, x, y, stride)
    arguments = [written["in"], written["out"]]
    if len(x.shape) > 2:
        arguments += ["1", written["stride"]] if written["stride"] != "1" else ["1"]
    name = next(n for n in _NAMES if f"self.{n}" not in code.text_of(cls))
    created = code.line_after(last, f"self.{name} = {layer}({', '.join(arguments)})")
    if created is not None:
        called = code.replacement(node, f"self.{name}({code.text_of(node)})")
        change = Change(replacements=(called, created))
        yield Proposal(change, Features(prior=Prior.PROJECTED))


def _stride(shape: Shape, target: Shape) -> int | None:
    """The stride with which a kernel of 1 makes the sides of the target."""
    if len(shape) != len(target) or shape[0] != target[0] or len(shape) not in (2, 3, 4):
        return None
    for stride in _STRIDES:
        if all((a - 1) // stride + 1 == b for a, b in zip(shape[2:], target[2:], strict=True)):
            return stride if stride > 1 or shape[1] != target[1] else None
    return None


def _computed_by_layer(situation: Situation, spec: TensorSpec) -> bool:
    """Whether a layer of the block chose the size that the shortcut gets."""
    names = {2: ("out_features",), 3: ("out_channels",), 4: ("out_channels",)}[len(spec.shape)]
    parent = situation.failure.calls[-1].path.rpartition(".")[0]
    return any(
        plain(call.module.settings.get(name)) == spec.shape[1]
        for call in situation.failure.trace.calls
        if call.module is not None and call.path.startswith(parent)
        for name in names
    )


def _last_layer(cls: ast.ClassDef) -> ast.stmt | None:
    """The last statement of the constructor that assigns to an attribute."""
    found = [
        statement for function in cls.body
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
        for statement in function.body if isinstance(statement, ast.Assign)
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
        texts = [
            text for call in siblings
            if (text := _written(situation, code, call, {name, other}, position, value)) is not None
        ]  # fmt: skip
        texts.sort(key=str.isdigit)  # a name is right for all blocks, a number for this one
        found[part] = next(iter(texts), found[part])
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
