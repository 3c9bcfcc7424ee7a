"""A size of a layer that is assigned after the layer was created, which its weight does not follow.

`encoder[0].in_channels = 1`, or a new layer that is assigned to the size instead of the layer.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ...trace.records import Module
from ..changes import Change, Proposal, Situation
from ..class_syntax import layer_class, sizes_assigned
from ..literals import plain
from ..source_text import Replacement
from ..syntax import Code, code_of
from ..weights import Features, Prior

_DEFAULTS = {
    "stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0,
    "padding_mode": "zeros",
}  # fmt: skip


def assigned_layers(situation: Situation) -> Iterator[Proposal]:
    for file, text in situation.texts.items():
        code = code_of(file, text)
        for statement, target in sizes_assigned(code):
            for replacement in _replacements(situation, code, statement, target):
                change = Change(replacements=(replacement,))
                yield Proposal(change, Features(prior=Prior.ASSIGNED_LAYER))


def _replacements(
    situation: Situation, code: Code, statement: ast.Assign, target: ast.Attribute
) -> Iterator[Replacement]:
    value, layer = statement.value, code.text_of(target.value)
    if isinstance(value, ast.Call) and layer_class(code, value.func) is not None:
        yield code.replacement(target, layer)
        return
    call = situation.failure.calls[-1] if situation.failure.calls else None
    module = None if call is None else call.module
    if module is None:
        return
    written = _created(code, module, target.attr, code.text_of(value))
    parameters = {parameter.name for parameter in situation.failure.trace.parameters}
    may_have_bias = module.base.startswith(("Conv", "Linear"))
    if written is not None and may_have_bias and f"{module.path}.bias" not in parameters:
        written = f"{written.removesuffix(')')}, bias=False)"
    if written is not None:
        yield code.replacement(statement, f"{layer} = {written}")


def _created(code: Code, module: Module, changed: str, text: str) -> str | None:
    """The call that creates a layer as it is, but for one size."""
    name = code.layer(module.base)
    settings = {key: plain(value) for key, value in module.settings.items()}
    settings = {key: _short(value) for key, value in settings.items()}
    sizes = {
        "Linear": ("in_features", "out_features"),
        "Conv": ("in_channels", "out_channels", "kernel_size"),
        "BatchNorm": ("num_features",),
    }
    first = next((names for base, names in sizes.items() if module.base.startswith(base)), None)
    if name is None or first is None or changed not in first:
        return None
    written = [text if key == changed else str(settings[key]) for key in first]
    written += [f"{key}={settings[key]!r}" for key, default in _DEFAULTS.items()
                if key in settings and settings[key] != default]  # fmt: skip
    return f"{name}({', '.join(written)})"


def _short(value: object) -> object:
    """3 for (3, 3)."""
    if isinstance(value, tuple) and value and len(set(value)) == 1:
        return value[0]
    return value
