"""`transformers:llama`, `transformers:path/to/config.json`, `transformers:bert:BertModel`."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn

from ...errors import UsageError, nearest
from ...tracing.global_state import replaced
from ...tracing.lane_selection import Builders
from ..construction import construct, construction_error, format_error
from ..loaded import Loaded
from ..model_sources import Select, remember
from ..results import Listed
from .configuration import configuration, is_file
from .default_inputs import complete
from .importing import attribute, import_transformers, importing

PREFIX = "transformers:"


def load(
    spec: str, inputs: Sequence[Any], named: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Loaded:
    """Build the model that `transformers:NAME[:CLASS]` names, on `meta`.

    NAME is a config.json, a folder that holds one, or a model type with its default configuration;
    `arguments` take the place of the configuration's fields. CLASS is a class of transformers.
    Parameters have the configuration's dtype, float32 where it names none. The inputs that are
    lacking are added, as far as the configuration tells them.

    Raises:
        UsageError: there is no such type, class or field, or nothing tells an input.
        ModelError: transformers is not installed, or the model cannot be built.
    """
    model, build_anew = _build(spec, arguments)
    keywords = {**named, **complete(spec, model, inputs, named)}
    return Loaded(spec, "transformers", model, build_anew, tuple(inputs), keywords, dict(arguments))


def _build(spec: str, arguments: Mapping[str, Any]) -> tuple[nn.Module, Builders]:
    tables = import_transformers()
    remember("transformers", sorted(tables.MODEL_MAPPING_NAMES))
    name, wanted = _name_and_class(spec.removeprefix(PREFIX))
    with importing():
        config = configuration(name, arguments)
        cls = model_class(config, wanted, spec)
    build_anew = Builders(partial(_without_data, cls, config), partial(_with_data, cls, config))
    try:
        with importing():
            model = build_anew.without_data()
    except Exception as error:  # a constructor raises what it likes on odd fields
        failure = construction_error(spec, arguments, format_error(error))
        if not arguments and not is_file(name):  # some defaults are not complete
            failure.hint = f"{PREFIX}path/to/config.json"
        raise failure from error
    return model, build_anew


def _name_and_class(text: str) -> tuple[str, str | None]:
    name, colon, wanted = text.rpartition(":")
    if not colon or not wanted.isidentifier() or is_file(text):
        return text, None
    return name, wanted


def _without_data(cls: Any, config: Any) -> nn.Module:
    with _uninitialized():
        model: nn.Module = construct(_with_buffers_on_meta, {"cls": cls, "config": config})
    return model


def _with_buffers_on_meta(cls: Any, config: Any) -> nn.Module:
    model = _with_data(cls, config)
    for module in model.modules():  # tables of positions are computed, on the CPU
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = buffer.to("meta")
    return model


def _with_data(cls: Any, config: Any) -> nn.Module:
    """As AutoModel.from_config does it, which sees to the dtype and the kind of attention."""
    with _offline():
        model: nn.Module = cls._from_config(copy.deepcopy(config))
    return model


@contextmanager
def _uninitialized() -> Iterator[None]:
    """Inside, a finished model's weights are tied and not drawn."""
    from transformers.modeling_utils import PreTrainedModel

    with replaced(PreTrainedModel, "initialize_weights", lambda model: None):
        yield


@contextmanager
def _offline() -> Iterator[None]:
    """Whatever asks the hub for a file inside is refused, as with HF_HUB_OFFLINE=1."""
    from huggingface_hub import constants

    with replaced(constants, "HF_HUB_OFFLINE", True):
        yield


def listed(select: Select) -> Iterator[Listed]:
    """The selected model types, each with the class that AutoModel builds.

    Raises:
        ModelError: transformers is not installed, or cannot be imported.
    """
    classes = import_transformers().MODEL_MAPPING_NAMES
    configs = importlib.import_module("transformers.models.auto.configuration_auto")
    for name in select(sorted(classes)):
        model = classes[name] if isinstance(classes[name], str) else classes[name][0]
        module = f"transformers.models.{configs.model_type_to_module_name(name)}"
        yield Listed(f"{PREFIX}{name}", module, None, None, model, "transformers")


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
