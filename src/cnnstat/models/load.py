"""spec → model."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import CnnstatError, UsageError, closest
from . import files
from . import python_files as python
from .loaded import Loaded, Recorded
from .model_sources import SOURCES, Loader, remembered, source_of
from .pyproject import Own
from .user_names import beside, find, known_names
from .zoo.catalog import CATALOG


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
    named, chosen = dict(named_inputs or {}), dict(arguments or {})
    own = find(spec)
    if own is not None:
        return _from_own(own, inputs, named, chosen)
    return _load(spec, inputs, named, chosen)


def _load(
    spec: str, inputs: Sequence[Any], named: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Loaded | Recorded:
    return _loader(spec)(spec, inputs, named, arguments)


def _loader(spec: str) -> Loader:
    """The loader for this kind of spec; no other one is imported."""
    if spec in CATALOG:
        from .built_in import load

        return load
    source = source_of(spec)
    if source is not None:
        return source.load
    if files.is_graph(spec):
        return files.load
    if python.is_python(spec):
        return python.load
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
        example = getattr(sys.modules.get(own.model.__module__), "example_input", None)
        file = own.source.rpartition(":")[0]
        return python.loaded(own.name, own.model, example, inputs, named, chosen, file)
    except CnnstatError as error:
        error.details = (*error.details, f"{own.name} is named in {own.place}")
        raise
