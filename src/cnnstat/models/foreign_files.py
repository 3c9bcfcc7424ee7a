"""Files that have no model to run: what each kind is, and what to type in its place.

Importing this file imports no torch.
"""

from __future__ import annotations

import os
import shlex
import zipfile
from pathlib import Path
from typing import NamedTuple

from ..errors import CnnstatError, ModelError, NotFound
from . import source_scan
from .missing_files import no_file

EXPORT = 'torch.export.save(torch.export.export(model, (x,)), "model.pt2")'
"""How a user saves a graph without pickle."""


class _Kind(NamedTuple):
    """What a file is, why it is not read, and what to do."""

    what: str
    reason: str
    hint: str


_CODE = "cnnstat shapes my_model.py:Net"
_ONNX = "cnnstat shapes {stem}.onnx"
_OTHER_FRAMEWORK = (
    "cnnstat reads PyTorch code, ONNX and torch.export: save it as {stem}.onnx where it was made, "
    "then"
)
_WEIGHTS = "it contains weights without the architecture: nothing says what runs on them"

_TENSORRT = _Kind(
    "a TensorRT engine, compiled for one GPU",
    "its layers are kernels of that GPU: name the model that it was compiled from",
    _ONNX,
)

_KINDS: dict[str, _Kind] = {
    ".h5": _Kind("an HDF5 file, as Keras saves models", _OTHER_FRAMEWORK, _ONNX),
    ".hdf5": _Kind("an HDF5 file, as Keras saves models", _OTHER_FRAMEWORK, _ONNX),
    ".keras": _Kind("a Keras model", _OTHER_FRAMEWORK, _ONNX),
    ".tflite": _Kind("a TensorFlow Lite model", _OTHER_FRAMEWORK, _ONNX),
    ".pb": _Kind("a TensorFlow graph", _OTHER_FRAMEWORK, _ONNX),
    ".mlmodel": _Kind("a Core ML model", _OTHER_FRAMEWORK, _ONNX),
    ".mlpackage": _Kind("a Core ML model", _OTHER_FRAMEWORK, _ONNX),
    ".pdmodel": _Kind("a Paddle model", _OTHER_FRAMEWORK, _ONNX),
    ".caffemodel": _Kind("the weights of a Caffe model", _OTHER_FRAMEWORK, _ONNX),
    ".prototxt": _Kind("a Caffe network", _OTHER_FRAMEWORK, _ONNX),
    ".engine": _TENSORRT,
    ".plan": _TENSORRT,
    ".yaml": _Kind("a YAML file, which only the code that made it can build a model of",
                   "a function that builds it is enough, in {stem}.py: def build(): return ...",
                   "cnnstat shapes {stem}.py:build"),
    ".safetensors": _Kind("a file of weights", _WEIGHTS, _CODE),
    ".gguf": _Kind("a file of weights", _WEIGHTS, _CODE),
    ".npz": _Kind("a file of arrays", _WEIGHTS, _CODE),
    ".npy": _Kind("a file of arrays", _WEIGHTS, _CODE),
    ".msgpack": _Kind("a file of weights, as Flax saves them", _WEIGHTS, _CODE),
}  # fmt: skip
_KINDS[".yml"] = _KINDS[".yaml"]
_PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle", ".torchscript", ".ptl", ".pth.tar")


def is_foreign(spec: str) -> bool:
    """Whether a spec names a file of a kind that has no model to run."""
    return _suffix(spec) in (*_KINDS, *_PICKLED, ".ipynb")


def refusal(spec: str, name: str = "") -> CnnstatError:
    """The error for such a file: what it is, and what to type. `name` is an object in it.

    Raises:
        ModelError: there is no such file.
    """
    path = Path(spec)
    if os.path.isdir(path) and _suffix(spec) not in (".mlpackage",):
        return NotFound(f"{spec} is a directory, not a file")
    if not os.path.exists(path):
        return _missing(path)
    suffix = _suffix(spec)
    if suffix == ".ipynb":
        return _notebook(path, name)
    kind = _KINDS[suffix] if suffix in _KINDS else _pickled(path)
    here = source_scan.specs_named(name, path.parent) if name else source_scan.specs_in(path.parent)
    in_code = [f"{name} is defined in code, not in a file of weights"] if name else []
    config = path.parent / "config.json"
    hint, reason = (text.format(stem=path.stem) for text in (kind.hint, kind.reason))
    if hint.startswith(_CODE):
        if here:
            hint = hint.replace(_CODE, shlex.join(["cnnstat", "shapes", here[0]]), 1)
        elif config.is_file():
            hint = shlex.join(["cnnstat", "shapes", str(config)])
    others = [f"models in its folder: {', '.join(here[:6])}"] if len(here) > 1 else []
    return ModelError(f"{spec} is {kind.what}", *in_code, *others, reason, hint=hint)


def _notebook(path: Path, name: str) -> ModelError:
    found = source_scan.models_of_notebook(path)
    here = [model for model, _ in found]
    model = name or (here[-1] if here else "Net")
    defined = ", ".join(f"{model} (cell {cell})" for model, cell in found)
    return ModelError(
        f"{path} is a notebook, whose cells are not run: they may train or download",
        f"it defines {defined}" if found else "no cell defines a model",
        f"in the notebook: cnnstat.analyze({model}())",
        f"here: its cells that define {model} in a file of their own, {path.stem}.py",
        hint=f"cnnstat shapes {path.with_suffix('.py')}:{model}",
    )


def _missing(path: Path) -> NotFound:
    error = no_file(path)
    needless = "files of weights are not needed: name the code that builds the model"
    error.details = (*error.details, needless)
    return error


def _pickled(path: Path) -> _Kind:
    # Unpickling a file can execute any code in it, so pickles are refused, never loaded.
    hint = f"{_CODE}, or in Python: {EXPORT}"
    if _is_torchscript(path):
        return _Kind(
            "a TorchScript archive, which is not supported",
            "its constants are pickled, and pickles are not loaded: they run code from the file",
            hint,
        )
    return _Kind(
        "a pickled checkpoint, which is not loaded: unpickling runs code from the file",
        "name what builds the model (its weights are not needed), or export it without pickle",
        hint,
    )


def _is_torchscript(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _suffix(spec: str) -> str:
    return Path(spec).suffix.lower()
