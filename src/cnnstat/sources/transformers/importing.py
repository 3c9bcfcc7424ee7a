"""Importing transformers."""

from __future__ import annotations

import importlib

from ...errors import ModelError
from ..vision_operators import make_importable


def import_transformers() -> None:
    """Import what building a model from a configuration needs.

    Raises:
        ModelError: transformers is not installed, or cannot be imported.
    """
    try:
        make_importable()  # transformers imports torchvision where it is installed
        importlib.import_module("transformers.models.auto.modeling_auto")
    except Exception as error:  # beside a torch or hub that does not fit, its import fails anyhow
        raise ModelError(
            "transformers is needed for its models", f"{type(error).__name__}: {error}",
            hint="pip install 'cnnstat[transformers]'",
        ) from error  # fmt: skip
