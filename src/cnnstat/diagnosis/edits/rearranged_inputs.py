"""The axes of a layer's input rearranged in front of it: flattened, added, moved.

In a `forward` the argument is wrapped (`self.fc(x.flatten(1))`), in a Sequential a layer that does
the same is inserted. Where the run goes on with a map, the axes are moved back behind the layer.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from math import isqrt, prod
from typing import Any

from ...results import Shape
from ...trace.records import Call, Failure, Module
from ..changes import Change, Proposal, Situation
from ..effects import is_map
from ..failing_code import (
    FailingCode,
    failing_code,
    inserted_layers,
    layer_in_sequence,
    size_replaced,
)
from ..literals import plain
from ..source_text import Replacement
from ..syntax import Code, is_simple
from ..weights import Features, Prior

_LAST_AXIS = {
    "Linear": "in_features", "RNN": "input_size", "LSTM": "input_size", "GRU": "input_size",
    "MultiheadAttention": "embed_dim",
}  # fmt: skip
_OPERAND = "{operand}"  # in a text: what the rearrangement is applied to


@dataclass(frozen=True)
class Rearrangement:
    """What is written behind an operand, and behind the layer to move the axes back.

    Attributes:
        after: the shape that the layer then gets.
        layers: of torch.nn that do the same in a Sequential; empty if there are none.
    """

    text: str
    after: Shape
    prior: Prior
    back: str = ""
    layers: tuple[str, ...] = ()


def rearranged_inputs(situation: Situation) -> Iterator[Proposal]:
    """Other axes for the input of the layer that failed, where the layer then accepts it."""
    failure = situation.failure
    call = failure.calls[-1] if failure.calls else None
    module = None if call is None else call.module or _product(situation)
    if call is None or module is None or not call.inputs:
        return
    shape = call.inputs[0].shape
    site = failing_code(situation)
    for rearrangement in _rearrangements(shape, module, _is_map(failure, call)):
        if accepts(module, rearrangement.after):
            yield from _proposals(situation, site, call, rearrangement, ())
    if call.module and module.base == "Linear" and len(shape) > 2 and not accepts(module, shape):
        yield from _flattened_with_size(situation, site, call)


def _product(situation: Situation) -> Module | None:
    """A product with a parameter, as the linear layer that it is."""
    mismatch = situation.mismatch
    if mismatch.kind != "features" or not mismatch.expected:
        return None
    return Module("", "Linear", "Linear", {"in_features": mismatch.expected})


def accepts(module: Module, shape: Shape) -> bool:
    """Whether a layer takes an input of this shape, with a batch axis."""
    settings: dict[str, Any] = {name: plain(value) for name, value in module.settings.items()}
    base, rank = module.base, len(shape)
    if base in _LAST_AXIS:
        return (rank == 3 or base == "Linear") and bool(shape[-1] == settings[_LAST_AXIS[base]])
    if base.startswith("Conv"):
        return rank == int(base[-2]) + 2 and bool(shape[1] == settings["in_channels"])
    if base.startswith(("BatchNorm", "InstanceNorm")):
        axes = int(base[-2]) + 2
        is_vector = rank == 2 and base == "BatchNorm1d"
        return (rank == axes or is_vector) and bool(shape[1] == settings["num_features"])
    if base == "GroupNorm":
        return bool(shape[1] == settings["num_channels"])
    if base == "LayerNorm":
        normalized = tuple(settings["normalized_shape"])
        return rank > len(normalized) and shape[-len(normalized) :] == normalized
    return False


def _is_map(failure: Failure, call: Call) -> bool:
    """Whether the last axes of a layer's input are the sides of a map."""
    return is_map(call.inputs[0], failure.trace, len(failure.trace.ops), _has_channels_first)


def _has_channels_first(shape: Shape) -> bool:
    return len(shape) == 4 and shape[1] < shape[2] == shape[3]


# Rearrangements by the number of axes


def _rearrangements(shape: Shape, module: Module, is_map: bool) -> Iterator[Rearrangement]:
    if len(shape) > 2:
        flat = (shape[0], prod(shape[1:]))
        yield Rearrangement(".flatten(1)", flat, Prior.FLATTENED, layers=("Flatten()",))
    kinds = {2: _of_vectors, 3: _of_sequences, 4: _of_maps, 5: _of_volumes}
    if len(shape) in kinds:
        yield from kinds[len(shape)](shape, module, is_map)


def _of_vectors(shape: Shape, module: Module, _: bool) -> Iterator[Rearrangement]:
    n, features = shape
    yield Rearrangement(".unsqueeze(1)", (n, 1, features), Prior.FORGOTTEN_AXIS,
                        layers=(f"Unflatten(1, (1, {features}))",))  # fmt: skip
    yield Rearrangement(".unsqueeze(0)", (1, n, features), Prior.BATCH_AXIS_IN_CODE)
    if not module.base.startswith("Conv"):
        return
    axes = int(module.base[-2])
    channels = int(plain(module.settings["in_channels"]))
    if channels == features:
        nones = ", None" * axes
        ones = ", 1" * axes
        yield Rearrangement(f"[:, :{nones}]", (n, features, *(1,) * axes), Prior.FORGOTTEN_AXIS,
                            layers=(f"Unflatten(1, ({features}{ones}))",))  # fmt: skip
    elif features % channels == 0 and (channels > 1 or axes > 1):
        side = round((features // channels) ** (1 / axes))
        if side**axes * channels == features:
            sizes = (channels, *(side,) * axes)
            text = ", ".join(map(str, sizes))
            yield Rearrangement(f".view(-1, {text})", (n, *sizes), Prior.UNFLATTENED,
                                layers=(f"Unflatten(1, ({text}))",))  # fmt: skip


def _of_sequences(shape: Shape, module: Module, is_map: bool) -> Iterator[Rearrangement]:
    n, length, width = shape
    moved = (n, width, length)
    is_first = module.base.startswith(("Conv", "BatchNorm", "InstanceNorm", "GroupNorm"))
    if width > 1 and not (is_map and is_first):
        text = ".transpose(1, 2)"
        yield Rearrangement(text, moved, Prior.MOVED_AXIS_IN_CODE)
        yield Rearrangement(text, moved, Prior.MOVED_AND_BACK, back=text)
    yield Rearrangement(".unsqueeze(1)", (n, 1, length, width), Prior.FORGOTTEN_AXIS)
    yield Rearrangement(".unsqueeze(0)", (1, n, length, width), Prior.BATCH_AXIS_IN_CODE)
    if is_map and module.base == "Linear":
        pool = ("AdaptiveAvgPool1d(1)", "Flatten()")
        yield Rearrangement(".mean(2)", (n, length), Prior.POOLED, layers=pool)
    side = isqrt(length)
    if side**2 == length:
        yield Rearrangement(f".transpose(1, 2).unflatten(2, ({side}, {side}))",
                            (n, width, side, side), Prior.UNFLATTENED)  # fmt: skip


def _of_maps(shape: Shape, module: Module, is_map: bool) -> Iterator[Rearrangement]:
    n, a, b, c = shape
    if is_map and b * c > 1 and module.base in ("LayerNorm", "Linear"):
        is_linear = module.base == "Linear"
        prior = Prior.LINEAR_PER_POSITION if is_linear else Prior.MOVED_AND_BACK
        yield Rearrangement(".permute(0, 2, 3, 1)", (n, b, c, a), prior,
                            back=".permute(0, 3, 1, 2)")  # fmt: skip
    if not is_map:  # the channels of a map that a layer made are first already
        yield Rearrangement(".permute(0, 3, 1, 2)", (n, c, a, b), Prior.MOVED_AXIS_IN_CODE)
    yield Rearrangement(".unsqueeze(1)", (n, 1, a, b, c), Prior.FORGOTTEN_AXIS)
    if module.base == "Linear" and is_map:
        pool = ("AdaptiveAvgPool2d(1)", "Flatten()")
        yield Rearrangement(".mean((2, 3))", (n, a), Prior.POOLED, layers=pool)
    if module.base in ("LSTM", "GRU", "RNN", "MultiheadAttention", "LayerNorm"):
        yield Rearrangement(".flatten(2).transpose(1, 2)", (n, b * c, a), Prior.TOKENS)
        yield Rearrangement(".flatten(1, 2).transpose(1, 2)", (n, c, a * b), Prior.TOKENS)
    for axis in (1, 2, 3):
        if shape[axis] == 1:
            after = (*shape[:axis], *shape[axis + 1 :])
            yield Rearrangement(f".squeeze({axis})", after, Prior.FORGOTTEN_AXIS)


def _of_volumes(shape: Shape, module: Module, _: bool) -> Iterator[Rearrangement]:
    n, steps, *rest = shape
    yield Rearrangement(".flatten(0, 1)", (n * steps, *rest), Prior.STEPS_AS_BATCH,
                        back=f".unflatten(0, {_OPERAND}.shape[:2])")  # fmt: skip
    yield Rearrangement(".permute(0, 4, 1, 2, 3)", (n, shape[4], *shape[1:4]),
                        Prior.MOVED_AXIS_IN_CODE)  # fmt: skip
    yield Rearrangement(".transpose(1, 2)", (n, rest[0], steps, *rest[1:]),
                        Prior.MOVED_AXIS_IN_CODE)  # fmt: skip
    for axis in (1, 2):
        if shape[axis] == 1:
            after = (*shape[:axis], *shape[axis + 1 :])
            yield Rearrangement(f".squeeze({axis})", after, Prior.FORGOTTEN_AXIS)


# As edits


def _proposals(
    situation: Situation, site: FailingCode | None, call: Call, rearrangement: Rearrangement,
    further: tuple[Replacement, ...],
) -> Iterator[Proposal]:  # fmt: skip
    """`further` replacements belong to the same edit."""
    features = Features(prior=rearrangement.prior)
    in_forward = [] if site is None else list(_in_forward(site, call, rearrangement))
    for replacements in in_forward:
        yield Proposal(Change(replacements=(*replacements, *further)), features)
    if in_forward or not rearrangement.layers:
        return
    found = layer_in_sequence(situation, call.path)
    if found is None:
        return
    code, element = found
    texts: list[str] = []
    for layer in rearrangement.layers:
        name, _, settings = layer.partition("(")
        known = code.layer_and_import(name)
        if known is None:
            return
        texts.append(f"{known[0]}({settings}")
        further += known[1]
    insertion = inserted_layers(code, element, *texts)
    yield Proposal(Change(replacements=(insertion, *further)), features)


def _in_forward(
    site: FailingCode, call: Call, rearrangement: Rearrangement
) -> Iterator[tuple[Replacement, ...]]:
    """The argument of the call wrapped; nothing if the layer gets another input than that."""
    operand, code, node = site.operand, site.code, site.node
    if operand is None or not site.is_same_input(call):
        return
    before, after = _in_style(code, rearrangement.text)
    wrapped = code.wrapped(operand, before, after)
    if not rearrangement.back:
        yield (wrapped,)
        return
    is_known = _OPERAND not in rearrangement.back or is_simple(operand)
    if not is_known or not isinstance(node, ast.Call):
        return
    back = rearrangement.back.replace(_OPERAND, code.text_of(operand))
    yield wrapped, code.inserted_behind(node, back)
    # `self.second(self.first(x))`: the axes are moved back behind all of it.
    outer = code.statement(node)
    value = outer.value if isinstance(outer, ast.Assign | ast.Return) else None
    is_linear = call.module is not None and call.module.base == "Linear"
    if is_linear and isinstance(value, ast.Call) and value is not node:
        yield wrapped, code.inserted_behind(value, back)


def _in_style(code: Code, text: str) -> tuple[str, str]:
    """What is written before and behind: as a function if the file calls that elsewhere."""
    if text == ".flatten(1)":
        torch = code.named("torch.flatten")
        functions = [
            c for c in code.calls_of("flatten", code.tree)
            if code.text_of(c.func) == torch
        ]  # fmt: skip
        if torch is not None and functions:
            return f"{torch}(", ", 1)"
    return "", text


def _flattened_with_size(
    situation: Situation, site: FailingCode | None, call: Call
) -> Iterator[Proposal]:
    """A map flattened for a linear layer that gets the size of all its elements."""
    shape = call.inputs[0].shape
    size = prod(shape[1:])
    assert call.module is not None
    if not _is_map(situation.failure, call) or accepts(call.module, (shape[0], size)):
        return
    written = plain(call.module.settings["in_features"])
    factor = "".join(f" * {side}" for side in shape[2:]) if written == shape[1] else ""
    resized = size_replaced(situation, call.path, "in_features", size, factor)
    if resized is None:
        return
    flattened = Rearrangement(".flatten(1)", (shape[0], size), Prior.FLATTENED_MAP,
                              layers=("Flatten()",))  # fmt: skip
    yield from _proposals(situation, site, call, flattened, (resized,))
