"""Models in files, by extension. Files that need unpickling are refused, with an alternative."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ..errors import ModelError, NotFound, UsageError
from ..tracing.run.copies import meta_copy
from ..tracing.run.lane_selection import Builders
from .loaded import Loaded, Recorded
from .suggestions import check_exists

SUPPORTED = (".pt2", ".onnx")
_PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".torchscript", ".ptl")
_WEIGHTS = (".safetensors", ".gguf")


def is_graph(spec: str) -> bool:
    """Whether a spec names a file with a graph or weights, as opposed to Python code."""
    return Path(spec).suffix.lower() in (*SUPPORTED, *_PICKLED, *_WEIGHTS)


def load(
    spec: str, inputs: Sequence[Any], named: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Loaded | Recorded:
    """Build the model in a torch.export archive, or trace the graph of an ONNX file.

    Raises:
        UsageError: the graph has no such input, or there are constructor arguments.
        ModelError: the kind of file is not supported, or it cannot be read.
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
    """Check that `spec` is a file of a supported kind.

    Raises:
        NotFound: there is no such file.
        ModelError: files of this kind are not read.
    """
    path, kind = Path(spec), Path(spec).suffix.lower()
    if os.path.isdir(path):  # unlike Path.is_dir, it answers for names that no file can have
        raise NotFound(f"{spec} is a directory, not a file")
    check_exists(path)
    if kind in SUPPORTED:
        return
    # Unpickling a file can execute any code in it, so pickles are refused, never loaded.
    from .exported.archive import EXPORT

    hint = f"cnnstat shapes my_model.py:Net, or in Python: {EXPORT}"
    if kind in _WEIGHTS:
        raise ModelError(
            f"{spec} holds weights without the architecture: nothing tells what runs on them",
            "name what builds the model; its weights are not needed",
            hint="cnnstat shapes my_model.py:Net",
        )
    if _is_torchscript(path):
        raise ModelError(
            f"{spec} is a TorchScript archive, which is not supported",
            "its constants are pickled, and pickles are not loaded: they run code from the file",
            hint=hint,
        )
    raise ModelError(
        f"{spec} is a pickled checkpoint, which is not loaded: unpickling runs code from the file",
        "name what builds the model (its weights are not needed), or export it without pickle",
        hint=hint,
    )


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())
