"""Models in files, by extension."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import NotFound, UsageError
from ..tracing.run.copies import meta_copy
from ..tracing.run.lane_selection import Builders
from .loaded import Loaded, Recorded
from .suggestions import check_exists

SUPPORTED = (".pt2", ".onnx")


def is_graph(spec: str) -> bool:
    """Whether a spec names a file with a graph, as opposed to Python code."""
    return Path(spec).suffix.lower() in SUPPORTED


def load(
    spec: str, inputs: Sequence[Any], named: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Loaded | Recorded:
    """Build the model in a torch.export archive, or trace the graph of an ONNX file.

    Raises:
        UsageError: the graph has no such input, or there are constructor arguments.
        ModelError: there is no such file, or it cannot be read.
    """
    _check(spec)
    if arguments:
        raise UsageError(f"{spec} is a model already: it takes no --arg")
    if Path(spec).suffix.lower() == ".onnx":
        from .onnx.parsing import read_onnx

        trace, sizes = read_onnx(spec, inputs, named)
        return Recorded(spec, "onnx", trace, tuple(sizes))
    from .exported.archive import build_exported

    model, chosen, keywords, mode = build_exported(spec, inputs, named)
    build = Builders(partial(meta_copy, model), None)  # None: the weights are never read
    return Loaded(spec, "torch.export", model, build, tuple(chosen), keywords, {}, mode)


def _check(spec: str) -> None:
    """Raise NotFound unless `spec` is an existing file."""
    if os.path.isdir(spec):  # unlike Path.is_dir, it answers for names that no file can have
        raise NotFound(f"{spec} is a directory, not a file")
    check_exists(Path(spec))
