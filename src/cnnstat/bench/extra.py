"""What the extra `bench` installs, imported where it is needed."""

from __future__ import annotations

import importlib
from typing import Any

from ..errors import ModelError
from ..models.torchvision_import import make_importable


def needed(module: str, what_for: str) -> Any:
    """Import a module of the extra `bench`.

    Raises:
        ModelError: it is not installed, or cannot be imported.
    """
    try:
        make_importable()
        return importlib.import_module(module)
    except Exception as error:  # beside the wrong torch torchvision fails in many ways
        raise ModelError(
            f"{module.partition('.')[0]} is needed {what_for}",
            f"{type(error).__name__}: {error}",
            hint="pip install 'cnnstat[bench]'",
        ) from error
