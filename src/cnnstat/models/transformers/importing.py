"""Import transformers: in full, or on a fast path in processes of the command.

The full import takes twice as long as torch's: it parses the files of 600 models for the names of
their classes, and imports torch's compiler and most of torch.distributed. The fast path leaves the
list of classes empty, since classes are imported by module, and replaces the modules below by
stand-ins (`fast_meta`).
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
from ...fast_meta import Missing, gc_paused, may_import_fast, stand_ins_for, was_imported_fast
from ..torchvision_import import make_importable

_AUTO = "transformers.models.auto.modeling_auto"
_VERSIONS = ("5.",)
"""Versions of transformers for which the fast path is tested; others are imported in full."""

_ABSENT = (
    "torch._dynamo", "torch.distributed.tensor", "torch.distributed.checkpoint",
    "torch.distributed.fsdp", "torch.distributed._composable", "torch.distributed.pipelining",
    "torch.nn.attention.flex_attention", "scipy", "jinja2",
)  # fmt: skip


def import_transformers() -> Any:
    """Import transformers and return the module with the tables of model classes.

    Raises:
        ModelError: transformers is not installed, or cannot be imported.
    """
    quick = was_imported_fast("transformers") or (may_import_fast("transformers") and _is_tested())
    try:
        if not quick:
            make_importable()  # transformers imports torchvision if it is installed
        with importing(quick):
            importlib.import_module("transformers")
            return importlib.import_module(_AUTO)
    except Exception as error:  # incompatible versions of torch or the hub
        raise ModelError(
            "transformers is needed for its models", f"{type(error).__name__}: {error}",
            hint="pip install 'cnnstat[transformers]'",
        ) from error  # fmt: skip


def attribute(name: str) -> Any:
    """A class of transformers by its name, whatever its module; None if it does not exist.

    Raises:
        Missing: on the fast path, which has no list of classes; the caller retries in full.
    """
    if was_imported_fast("transformers"):
        raise Missing(name)
    return getattr(importlib.import_module("transformers"), name, None)


@contextmanager
def importing(quick: bool | None = None) -> Iterator[None]:
    """For importing modules of transformers; with stand-ins on the fast path."""
    if not (was_imported_fast("transformers") if quick is None else quick):
        yield
        return
    hidden = "torchvision" not in sys.modules  # only its image processors need it
    if hidden:
        sys.modules["torchvision"] = None  # type: ignore[assignment]  # hides it
    try:
        with gc_paused(), stand_ins_for(*_ABSENT, by="transformers"):
            _skip_class_list()
            yield
    finally:
        if hidden:
            del sys.modules["torchvision"]


def _is_tested() -> bool:
    try:
        return importlib.metadata.version("transformers").startswith(_VERSIONS)
    except importlib.metadata.PackageNotFoundError:
        return False


def _skip_class_list() -> None:
    """Import transformers with an empty list of model classes."""
    if "transformers" in sys.modules:
        return
    spec = importlib.util.find_spec("transformers")
    assert spec is not None
    # Its __init__ builds the list with a function of transformers.utils. A package without contents
    # lets that module be imported first, to replace the function before the real __init__ runs.
    sys.modules["transformers"] = importlib.util.module_from_spec(spec)
    sys.modules["transformers"].__version__ = importlib.metadata.version("transformers")  # type: ignore[attr-defined]  # a lazy module
    listing: Any = importlib.import_module("transformers.utils.import_utils")
    original = listing.define_import_structure

    def define_import_structure(path: Any, prefix: str | None = None) -> Any:
        folder = str(path).removesuffix("/__init__.py")
        return {frozenset(): {}} if folder.endswith("models") else original(path, prefix)

    listing.define_import_structure = define_import_structure
    del sys.modules["transformers"]
    importlib.import_module("transformers")
