"""spec → model."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from torch import nn

from ..errors import CnnstatError, ModelError, UsageError, closest
from ..shapes import InputSpec, format_shape
from ..tracing.attempts import Builders
from ..tracing.copies import meta_copy
from ..tracing.records import Trace
from ..zoo.catalog import CATALOG, Entry
from . import files, python, timm_models, transformers, vision
from .construction import builders, construct, unbuilt
from .exported.archive import build_exported
from .names import SOURCES, remembered
from .onnx.file import read_onnx
from .own import beside, find, known_names
from .project import Own


@dataclass(frozen=True)
class Loaded:
    """A model on `meta`, built for this call, how to build it anew, and the inputs it runs on."""

    spec: str
    source: str
    model: nn.Module
    builders: Builders
    inputs: tuple[Any, ...]
    named_inputs: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    mode: Literal["eval", "train"] | None = None
    """The mode that is part of a graph; None for modules, which can be set to either."""


@dataclass(frozen=True)
class Recorded:
    """What running a graph would do: there is no module, so no variant of it can be run."""

    spec: str
    source: str
    trace: Trace
    inputs: tuple[Any, ...]
    named_inputs: dict[str, Any] = field(default_factory=dict)
    arguments: dict[str, Any] = field(default_factory=dict)
    mode: Literal["eval", "train"] | None = "eval"


def load(
    spec: str,
    inputs: Sequence[Any] = (),
    named_inputs: Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
) -> Loaded | Recorded:
    """Build the model that `spec` names, or record what the graph in an ONNX file would do.

    A spec of one word is a built-in network or a name that the user gave. Without inputs the
    default of the name or of the source is taken. For the zoo, `in_channels` follows the input
    unless it is among the arguments.

    Raises:
        UsageError: there is no such model, or it has no such argument.
        ModelError: it cannot be built, or the input has the wrong number of dimensions; or a
            module that pyproject.toml lists cannot be imported.
    """
    own = find(spec)
    if own is not None:
        return _from_own(own, inputs, dict(named_inputs or {}), dict(arguments or {}))
    return _load(spec, inputs, named_inputs, arguments)


def _load(
    spec: str,
    inputs: Sequence[Any],
    named_inputs: Mapping[str, Any] | None,
    arguments: Mapping[str, Any] | None,
) -> Loaded | Recorded:
    if spec in CATALOG:
        return _from_zoo(CATALOG[spec], inputs, named_inputs or {}, dict(arguments or {}))
    if spec.startswith(vision.PREFIX):
        return _from_torchvision(spec, inputs, dict(named_inputs or {}), dict(arguments or {}))
    if spec.startswith(timm_models.PREFIX):
        return _from_timm(spec, inputs, dict(named_inputs or {}), dict(arguments or {}))
    if spec.startswith(transformers.PREFIX):
        return _from_transformers(spec, inputs, dict(named_inputs or {}), dict(arguments or {}))
    if files.is_graph(spec):
        return _from_file(spec, inputs, named_inputs or {}, arguments or {})
    if python.is_python(spec):
        chosen = dict(arguments or {})
        model, build, example = python.build(spec, chosen)
        named = dict(named_inputs or {})
        if not inputs and not named:
            inputs, named = python.inputs_of(spec, model, example)
        return Loaded(spec, "python", model, build, tuple(inputs), named, chosen)
    raise _unknown(spec)


def _unknown(spec: str) -> UsageError:
    names = [f"{source}:{spec}" for source in SOURCES if spec in remembered(source)]
    names += closest(spec, [*CATALOG, *known_names()])
    close = [f"did you mean {', '.join(names)}?"] if names else []
    return UsageError(
        f"unknown model {spec!r}", *close,
        hint="cnnstat list, cnnstat list torchvision:, or name your own: my_model.py:Net",
    )  # fmt: skip


def _from_own(
    own: Own, inputs: Sequence[Any], named: dict[str, Any], arguments: dict[str, Any]
) -> Loaded | Recorded:
    """A model that the user named: its own inputs and arguments stand in where none are given."""
    chosen = {**own.arguments, **arguments}
    if not inputs and not named:
        inputs = [i for i in own.inputs if not i.name]
        named = {i.name: i for i in own.inputs if i.name}
    try:
        if isinstance(own.model, str):
            with beside(own.folder):
                return replace(_load(own.model, inputs, named, chosen), spec=own.name)
        file = own.source.rpartition(":")[0]
        model, build = python.make(own.name, own.model, chosen, file)
        if not inputs and not named:
            module = sys.modules.get(own.model.__module__)
            example = getattr(module, "example_input", None)
            inputs, named = python.inputs_of(own.name, model, example)
        return Loaded(own.name, "python", model, build, tuple(inputs), named, chosen)
    except CnnstatError as error:
        error.details = (*error.details, f"{own.name} is named in {own.place}")
        raise


def _from_torchvision(
    spec: str, inputs: Sequence[Any], named: dict[str, Any], chosen: dict[str, Any]
) -> Loaded:
    model, build, default = vision.build(spec, chosen)
    if not inputs and not named:
        if not default:
            raise UsageError(f"{spec} needs an input", hint="--input 1,3,224,224")
        inputs = default
    elif default and isinstance(default[0], list):
        inputs = [_images(inputs)]
    return Loaded(spec, "torchvision", model, build, tuple(inputs), named, chosen)


def _from_timm(
    spec: str, inputs: Sequence[Any], named: dict[str, Any], chosen: dict[str, Any]
) -> Loaded:
    model, build, default = timm_models.build(spec, chosen)
    if not inputs and not named:
        if default is None:
            raise UsageError(f"{spec} needs an input", hint="--input 1,3,224,224")
        inputs = [default]
    return Loaded(spec, "timm", model, build, tuple(inputs), named, chosen)


def _images(inputs: Sequence[Any]) -> list[Any]:
    """Detectors take a list of images without a batch dimension, of any sizes."""
    return list(inputs[0]) if isinstance(inputs[0], list | tuple) else list(inputs)


def _from_transformers(
    spec: str, inputs: Sequence[Any], named: dict[str, Any], chosen: dict[str, Any]
) -> Loaded:
    from .transformers.inputs import complete
    from .transformers.model import build

    model, build_anew = build(spec, chosen)
    named |= complete(spec, model, inputs, named)
    return Loaded(spec, "transformers", model, build_anew, tuple(inputs), named, chosen)


def _from_file(
    spec: str, inputs: Sequence[Any], named: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Loaded | Recorded:
    files.check(spec)
    if arguments:
        raise UsageError(f"{spec} is a model already: it takes no --arg")
    if files.is_onnx(spec):
        trace, sizes = read_onnx(spec, inputs, named)
        return Recorded(spec, "onnx", trace, tuple(sizes))
    model, chosen, keywords, mode = build_exported(spec, inputs, named)
    build = Builders(partial(meta_copy, model), None)  # its weights are not read
    return Loaded(spec, "torch.export", model, build, tuple(chosen), keywords, {}, mode)


def _from_zoo(
    entry: Entry,
    inputs: Sequence[Any],
    named_inputs: Mapping[str, Any],
    chosen: dict[str, Any],
) -> Loaded:
    spec = entry.name
    if named_inputs:
        raise UsageError(
            f"{spec} takes one positional input: leave out {next(iter(named_inputs))}="
        )
    factory = entry.load()
    _check_arguments(spec, factory, chosen)
    if inputs:
        channels = _image(entry, inputs)[1]
        if channels != entry.input[1]:
            chosen.setdefault("in_channels", channels)
    else:
        batch, channels, *sides = entry.input
        inputs = [InputSpec((batch, chosen.get("in_channels", channels), *sides))]
    try:
        model = construct(factory, chosen)
    except Exception as error:
        raise unbuilt(spec, error, chosen) from error
    return Loaded(spec, "zoo", model, builders(factory, chosen), tuple(inputs), {}, chosen)


def _image(entry: Entry, inputs: Sequence[Any]) -> tuple[int, ...]:
    """The shape of the one image batch that every network of the zoo takes."""
    if len(inputs) > 1:
        raise UsageError(f"{entry.name} takes one input, {len(inputs)} were given")
    if not hasattr(inputs[0], "shape"):
        raise UsageError(f"{inputs[0]!r} is no input", hint=f"--input {InputSpec(entry.input)}")
    shape = tuple(inputs[0].shape)
    if len(shape) != len(entry.input):
        raise ModelError(
            f"input {format_shape(shape)} has {len(shape)} "
            f"dimension{'s' if len(shape) != 1 else ''}",
            f"{entry.name} takes {len(entry.input)}: batch, channels, height, width",
            hint=f"--input {InputSpec(entry.input)}",
        )
    return shape


def _check_arguments(spec: str, factory: Any, arguments: Mapping[str, Any]) -> None:
    known = list(inspect.signature(factory).parameters)
    for name in arguments:
        if name not in known:
            raise UsageError(f"{spec} has no argument {name!r}", f"it takes {', '.join(known)}")
