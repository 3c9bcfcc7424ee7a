"""Importing transformers: the plain way, or the quick way in a process of our own.

The plain import takes twice the time of torch's: it reads the files of 600 models for the names of
their classes, and imports torch's compiler and most of torch.distributed. The quick way leaves the
list of classes empty, and the modules below to stand-ins (`stand_ins.py`).
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import ModelError
from ...fast_meta import Missing, is_quick, left_out, uncollected, was_quick
from ..torchvision_import import make_importable

_AUTO = "transformers.models.auto.modeling_auto"
_VERSIONS = ("5.",)
"""Of transformers, for which the quick way was tried; others are imported the plain way."""

_ABSENT = (
    "torch._dynamo", "torch.distributed.tensor", "torch.distributed.checkpoint",
    "torch.distributed.fsdp", "torch.distributed._composable", "torch.distributed.pipelining",
    "torch.nn.attention.flex_attention", "scipy", "jinja2",
)  # fmt: skip


def import_transformers() -> Any:
    """Import what building a model from a configuration needs: the tables of its classes.

    Raises:
        ModelError: transformers is not installed, or cannot be imported.
    """
    quick = was_quick("transformers") or (is_quick("transformers") and _was_tried())
    try:
        if not quick:
            make_importable()  # transformers imports torchvision where it is installed
        with importing(quick):
            importlib.import_module("transformers")
            return importlib.import_module(_AUTO)
    except Exception as error:  # beside a torch or hub that does not fit, its import fails anyhow
        raise ModelError(
            "transformers is needed for its models", f"{type(error).__name__}: {error}",
            hint="pip install 'cnnstat[transformers]'",
        ) from error  # fmt: skip


def attribute(name: str) -> Any:
    """A class of transformers by its name, wherever it is defined; None if there is none."""
    if was_quick("transformers"):
        raise Missing(name)
    return getattr(importlib.import_module("transformers"), name, None)


@contextmanager
def importing(quick: bool | None = None) -> Iterator[None]:
    """Inside, modules of transformers may be imported; with stand-ins if this is the quick way."""
    if not (was_quick("transformers") if quick is None else quick):
        yield
        return
    hidden = "torchvision" not in sys.modules  # only its image processors need it
    if hidden:
        sys.modules["torchvision"] = None  # type: ignore[assignment]
    try:
        with uncollected(), left_out(*_ABSENT, by="transformers"):
            _skip_the_list()
            yield
    finally:
        if hidden:
            del sys.modules["torchvision"]


def _was_tried() -> bool:
    try:
        return importlib.metadata.version("transformers").startswith(_VERSIONS)
    except importlib.metadata.PackageNotFoundError:
        return False


def _skip_the_list() -> None:
    """Import transformers with an empty list of the classes of its models."""
    if "transformers" in sys.modules:
        return
    spec = importlib.util.find_spec("transformers")
    assert spec is not None
    # Its __init__ makes the list with a function from a module of its own: that one first.
    sys.modules["transformers"] = importlib.util.module_from_spec(spec)
    sys.modules["transformers"].__version__ = importlib.metadata.version("transformers")  # type: ignore[attr-defined]
    listing: Any = importlib.import_module("transformers.utils.import_utils")
    original = listing.define_import_structure

    def define_import_structure(path: Any, prefix: str | None = None) -> Any:
        folder = str(path).removesuffix("/__init__.py")
        return {frozenset(): {}} if folder.endswith("models") else original(path, prefix)

    listing.define_import_structure = define_import_structure
    del sys.modules["transformers"]
    importlib.import_module("transformers")
