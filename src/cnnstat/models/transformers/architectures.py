"""Which class of transformers a configuration is built as."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any

from ...errors import UsageError, nearest
from .importing import attribute

# A type has up to a dozen classes, one a task. Without a word from the user or the configuration
# it is the task that the architecture is known for: an encoder–decoder whole rather than its
# decoder alone (whisper, bart), an encoder as the masked language model that it was trained as
# (bert has a causal one too), a pair of towers rather than one of them (clip).
_TASKS = (
    "SEQ_TO_SEQ_CAUSAL_LM", "SPEECH_SEQ_2_SEQ", "IMAGE_TEXT_TO_TEXT", "MASKED_LM", "CAUSAL_LM",
    "ZERO_SHOT_IMAGE_CLASSIFICATION", "IMAGE_CLASSIFICATION", "VIDEO_CLASSIFICATION", "CTC",
    "AUDIO_CLASSIFICATION", "UNIVERSAL_SEGMENTATION", "SEMANTIC_SEGMENTATION", "OBJECT_DETECTION",
    "ZERO_SHOT_OBJECT_DETECTION", "DEPTH_ESTIMATION",
)  # fmt: skip


def model_class(config: Any, wanted: str | None, source: str) -> Any:
    """The class to build: `wanted`, else the first of the configuration's `architectures`, else by
    task: sequence to sequence, image and text to text, masked, causal language model, …, base.

    Raises:
        UsageError: transformers has no such class, or none for this type.
    """
    named = wanted or next(iter(config.architectures or ()), None)
    if named is not None:
        found = _class_named(config.model_type, named)
        if _takes(found, config):
            return found
        if wanted is not None:
            close = nearest(named, _class_names(config.model_type))
            raise UsageError(f"{config.model_type} has no class {named!r}", *filter(None, [close]))
    for name in _class_names(config.model_type):
        found = _class_named(config.model_type, name)
        if _takes(found, config):
            return found
    raise UsageError(
        f"{source}: transformers has no model for {config.model_type!r} alone",
        "it is a part of another model",
    )


def _takes(cls: Any, config: Any) -> bool:
    """Whether `cls` is a class of models of this configuration."""
    takes = getattr(cls, "config_class", None)
    return hasattr(cls, "_from_config") and isinstance(takes, type) and isinstance(config, takes)


def _class_names(model_type: str) -> Iterator[str]:
    """The classes of a type: those of the tasks above, the base model, then those of other tasks.

    transformers keeps them in tables named `MODEL_FOR_<task>_MAPPING_NAMES`.
    """
    tables = vars(importlib.import_module("transformers.models.auto.modeling_auto"))
    keys = [f"MODEL_FOR_{task}_MAPPING_NAMES" for task in _TASKS] + ["MODEL_MAPPING_NAMES"]
    keys += [key for key in tables if key.startswith("MODEL_") and key.endswith("_NAMES")]
    seen = set()
    for key in keys:
        table: Mapping[str, Any] = tables.get(key, {})
        entry = table.get(model_type, ())
        for name in (entry,) if isinstance(entry, str) else entry:
            if name not in seen:
                seen.add(name)
                yield name


def _class_named(model_type: str, name: str) -> Any:
    """The class from the type's own folder, else from anywhere in transformers, else None."""
    configuration = importlib.import_module("transformers.models.auto.configuration_auto")
    folder = configuration.model_type_to_module_name(model_type)
    try:
        return getattr(importlib.import_module(f"transformers.models.{folder}"), name)
    except (ImportError, AttributeError):
        return attribute(name)
