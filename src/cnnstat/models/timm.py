"""Models of timm, `timm:vit_base_patch16_224`, at the input size of their configuration."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from ..errors import ModelError
from ..inputs import InputSpec
from . import torchvision_import as vision_operators
from .construction import builders, construct, construction_error, format_error
from .loaded import Loaded, inputs_or_default
from .model_sources import Select
from .name_cache import remember
from .not_found import unknown_in_source
from .results import Listed

PREFIX = "timm:"


def load(
    spec: str, inputs: Sequence[Any], named: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Loaded:
    """Build a model of timm on `meta`, without pretrained weights.

    Raises:
        UsageError: timm has no such model, or its configuration has no input size.
        ModelError: timm is not installed, or the model cannot be built.
    """
    timm = package()
    name = spec.removeprefix(PREFIX)
    known = timm.list_models()
    remember("timm", known)
    if not timm.is_model(name):  # also with a tag of pretrained weights: resnet50.a1_in1k
        raise unknown_in_source("timm", name)
    # pretrained=False: nothing is downloaded
    chosen = {"model_name": name, "pretrained": False, **arguments}
    try:
        model = construct(timm.create_model, chosen)
    except Exception as error:  # constructors raise anything
        raise construction_error(spec, arguments, format_error(error)) from error
    inputs, keywords = inputs_or_default(_default_input(model, arguments), inputs, named, spec)
    build = builders(timm.create_model, chosen, "in_chans", "num_classes")
    return Loaded(spec, "timm", model, build, inputs, keywords, dict(arguments))


def package() -> Any:
    """Import timm.

    Raises:
        ModelError: it is not installed, or cannot be imported.
    """
    try:
        vision_operators.make_importable()
        with vision_operators.quick_import("timm"):
            timm = importlib.import_module("timm")
        vision_operators.make_traceable()
        return timm
    except Exception as error:  # with an incompatible torch, the import fails in many ways
        raise ModelError(
            "timm is needed for its models", f"{type(error).__name__}: {error}",
            hint="pip install 'cnnstat[timm]'",
        ) from error  # fmt: skip


def _default_input(model: nn.Module, arguments: Mapping[str, Any]) -> tuple[InputSpec, ...]:
    """One image; its size is from the arguments, else from the default configuration."""
    size = (getattr(model, "default_cfg", None) or {}).get("input_size")
    if size is None:
        return ()
    channels, *sides = size
    side = arguments.get("img_size")
    if side is not None:
        sides = [side, side] if isinstance(side, int) else list(side)
    return (InputSpec((1, arguments.get("in_chans", channels), *sides)),)


def listed(select: Select) -> Iterator[Listed]:
    """The selected models with the input size of their pretrained configuration.

    Raises:
        ModelError: timm is not installed, or cannot be imported.
    """
    timm = package()
    for name in select(timm.list_models()):
        config = timm.get_pretrained_cfg(name)
        shape = (1, *config.input_size) if config is not None else None
        module = timm.model_entrypoint(name).__module__
        yield Listed(f"{PREFIX}{name}", module, shape, None, "", "timm")
