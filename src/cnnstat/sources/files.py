"""Models in files, by the extension: which are read, and what to do about those that are not."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ..errors import ModelError, nearest
from .exported.archive import EXPORT

READ = (".pt2", ".onnx")
_PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")
_WEIGHTS = (".safetensors", ".gguf")


def is_graph(spec: str) -> bool:
    """Whether a spec names a file that holds a graph or weights, not Python."""
    return Path(spec).suffix.lower() in (*READ, *_PICKLED, *_WEIGHTS)


def is_onnx(spec: str) -> bool:
    return Path(spec).suffix.lower() == ".onnx"


def check(spec: str) -> None:
    """Raise ModelError unless `spec` is a file of a kind that is read."""
    path, kind = Path(spec), Path(spec).suffix.lower()
    if path.is_dir():
        raise ModelError(f"{spec} is a directory, not a file")
    if not path.is_file():
        beside = path.parent.glob(f"*{kind}") if path.parent.is_dir() else ()
        close = nearest(path.name, [file.name for file in beside])
        raise ModelError(f"there is no file {spec}", *filter(None, [close]))
    if kind in READ:
        return
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
