"""The call of a function that failed: its axis, its name, or its mode.

`torch.cat(parts)` joins along the batch, `torch.mm` takes matrices and `torch.bmm` one batch axis,
and the modes of an interpolation are for one number of axes.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from itertools import islice

from ...results import Shape
from ...trace.records import tensors_in
from ..changes import Change, Proposal, Situation
from ..failing_code import call_at, creations
from ..source_text import Replacement
from ..syntax import Code, arguments_by_place, keywords_of, last_argument, name_of_called
from ..weights import Features, Prior

_MODES = {3: "linear", 4: "bilinear", 5: "trilinear"}
_PRODUCTS = {"mm": 2, "bmm": 3}
_FOR_AXES = re.compile(r"(?P<kind>\w+)(?P<axes>[123])d")


def function_calls(situation: Situation) -> Iterator[Proposal]:
    failure = situation.failure
    call = failure.calls[-1] if failure.calls else None
    frame = failure.frames[-1] if failure.frames else None
    if call is None or frame is None or frame.file not in situation.texts:
        return
    shapes = [tensor.shape for tensor in tensors_in(call.inputs)]
    if call.module is not None and call.module.base == "Upsample":
        for created in islice(creations(situation, call.path), 1):
            yield from _modes(*created, shapes)
        return
    found = call_at(situation, frame)
    if found is None or call.module is not None or not shapes:
        return
    code, node = found
    if call.type in ("cat", "concat", "stack"):
        yield from _axes(code, node, shapes)
    elif call.type == "interpolate":
        yield from _modes(code, node, shapes)
    else:
        name = _other_name(call.type, shapes)
        if name is not None and name_of_called(node) == call.type:
            change = Change(replacements=(_renamed(code, node, name),))
            yield Proposal(change, Features(prior=Prior.OTHER_FUNCTION))


def _axes(code: Code, call: ast.Call, shapes: Sequence[Shape]) -> Iterator[Proposal]:
    """The axes along which tensors can be joined, where none is written; `cat` for `stack`."""
    is_stack = name_of_called(call) == "stack"
    names = keywords_of(call).keys() & {"dim", "axis"}
    written = (
        keywords_of(call)[names.pop()] if names else next(iter(arguments_by_place(call)[1:]), None)
    )
    if (written is not None and not is_stack) or len({len(shape) for shape in shapes}) != 1:
        return
    for axis in range(len(shapes[0])):
        others = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes}
        last = last_argument(call)
        if len(others) > 1 or last is None:
            continue
        if written is not None:
            replacement = code.replacement(written, str(axis))
        else:
            replacement = code.replacement(last, f"{code.text_of(last)}, dim={axis}")
        renamed = (_renamed(code, call, "cat"),) if is_stack else ()
        change = Change(replacements=(*renamed, replacement))
        yield Proposal(change, Features(prior=Prior.JOINED_AXIS))


def _modes(code: Code, call: ast.Call, shapes: Sequence[Shape]) -> Iterator[Proposal]:
    """The linear mode for the number of axes."""
    mode = _MODES.get(len(shapes[0])) if shapes else None
    for node in (*arguments_by_place(call), *keywords_of(call).values()):
        if isinstance(node, ast.Constant) and node.value in _MODES.values() and mode is not None:
            replacement = code.replacement(node, repr(mode))
            yield Proposal(Change(replacements=(replacement,)), Features(prior=Prior.MODE))


def _other_name(name: str, shapes: Sequence[Shape]) -> str | None:
    """The function for operands of these numbers of axes."""
    if name in _PRODUCTS:
        return "matmul" if any(len(shape) != _PRODUCTS[name] for shape in shapes[:2]) else None
    found = _FOR_AXES.fullmatch(name)
    axes = len(shapes[0]) - 2
    if found is None or axes == int(found["axes"]) or axes not in (1, 2, 3):
        return None
    return f"{found['kind']}{axes}d"


def _renamed(code: Code, call: ast.Call, name: str) -> Replacement:
    written = code.text_of(call.func).removesuffix(name_of_called(call))
    return code.replacement(call.func, f"{written}{name}")
