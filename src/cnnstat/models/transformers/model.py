"""Load `transformers:llama`, `transformers:path/to/config.json`, `transformers:bert:BertModel`."""

from __future__ import annotations

import copy
import importlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn

from ...errors import UsageError, nearest
from ...tracing.process.global_state import replaced, replaced_here
from ...tracing.run.lane_selection import Builders
from ..construction import construct, construction_error, format_error
from ..loaded import Loaded
from ..model_sources import Select
from ..name_cache import remember
from ..results import Listed
from .configuration import configuration, is_file
from .default_inputs import missing_inputs
from .importing import attribute, import_transformers, importing

PREFIX = "transformers:"


def load(
    spec: str, inputs: Sequence[Any], named: Mapping[str, Any], arguments: Mapping[str, Any]
) -> Loaded:
    """Build the model that `transformers:NAME[:CLASS]` names, on `meta`.

    NAME is a config.json, a folder with one, or a model type in its default configuration;
    `arguments` override fields of the configuration. CLASS is a class of transformers. Parameters
    have the dtype of the configuration, by default float32. Missing inputs are added if the
    configuration determines their sizes.

    Raises:
        UsageError: a type, class or field does not exist, or an input has no default.
        ModelError: transformers is not installed, or the model cannot be built.
    """
    model, builders = _build(spec, arguments)
    keywords = {**named, **missing_inputs(spec, model, inputs, named)}
    return Loaded(spec, "transformers", model, builders, tuple(inputs), keywords, dict(arguments))


def _build(spec: str, arguments: Mapping[str, Any]) -> tuple[nn.Module, Builders]:
    tables = import_transformers()
    remember("transformers", sorted(tables.MODEL_MAPPING_NAMES))
    name, class_name = _name_and_class(spec.removeprefix(PREFIX))
    with importing():
        config = configuration(name, arguments)
        cls = model_class(config, class_name, spec)
    builders = Builders(partial(_without_data, cls, config), partial(_with_data, cls, config))
    try:
        with importing():
            model = builders.without_data()
    except Exception as error:  # constructors raise anything on unusual fields
        failure = construction_error(spec, arguments, format_error(error))
        if not arguments and not is_file(name):  # some default configurations are incomplete
            failure.hint = f"{PREFIX}path/to/config.json"
        raise failure from error
    return model, builders


def _name_and_class(text: str) -> tuple[str, str | None]:
    name, colon, class_name = text.rpartition(":")
    if not colon or not class_name.isidentifier() or is_file(text):
        return text, None
    return name, class_name


def _without_data(cls: Any, config: Any) -> nn.Module:
    with _uninitialized():
        model: nn.Module = construct(_with_buffers_on_meta, {"cls": cls, "config": config})
    return model


def _with_buffers_on_meta(cls: Any, config: Any) -> nn.Module:
    model = _with_data(cls, config)
    for module in model.modules():  # position tables are computed on the CPU
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = buffer.to("meta")
    return model


def _with_data(cls: Any, config: Any) -> nn.Module:
    """Build as AutoModel.from_config does, with the dtype and attention of the configuration."""
    with _offline():
        model: nn.Module = cls._from_config(copy.deepcopy(config))
    return model


@contextmanager
def _uninitialized() -> Iterator[None]:
    """Skip the initialisation of weights at the end of construction; they are still tied."""
    from transformers.modeling_utils import PreTrainedModel

    with replaced_here(PreTrainedModel, "initialize_weights", lambda model: None):
        yield


@contextmanager
def _offline() -> Iterator[None]:
    """Refuse requests to the hub, as with HF_HUB_OFFLINE=1."""
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


# A model type has up to a dozen classes, one per task. By default it is the task that the
# architecture is known for: an encoder-decoder before its decoder alone (whisper, bart), an encoder
# as the masked language model of its pretraining (bert has a causal one too), two towers before one
# of them (clip).
_TASKS = (
    "SEQ_TO_SEQ_CAUSAL_LM", "SPEECH_SEQ_2_SEQ", "IMAGE_TEXT_TO_TEXT", "MASKED_LM", "CAUSAL_LM",
    "ZERO_SHOT_IMAGE_CLASSIFICATION", "IMAGE_CLASSIFICATION", "VIDEO_CLASSIFICATION", "CTC",
    "AUDIO_CLASSIFICATION", "UNIVERSAL_SEGMENTATION", "SEMANTIC_SEGMENTATION", "OBJECT_DETECTION",
    "ZERO_SHOT_OBJECT_DETECTION", "DEPTH_ESTIMATION",
)  # fmt: skip


def model_class(config: Any, requested: str | None, spec: str) -> Any:
    """The class to build: `requested`, else the first of the configuration's `architectures`, else
    by task: sequence to sequence, image and text to text, masked, causal language model, …, base.

    Raises:
        UsageError: transformers has no such class, or none for this type.
    """
    preferred = requested or next(iter(config.architectures or ()), None)
    if preferred is not None:
        cls = _class_named(config.model_type, preferred)
        if _accepts(cls, config):
            return cls
        if requested is not None:
            close = nearest(preferred, _class_names(config.model_type))
            raise UsageError(
                f"{config.model_type} has no class {preferred!r}", *filter(None, [close])
            )
    for name in _class_names(config.model_type):
        cls = _class_named(config.model_type, name)
        if _accepts(cls, config):
            return cls
    raise UsageError(
        f"{spec}: transformers has no model for {config.model_type!r} alone",
        "it is a part of another model",
    )


def _accepts(cls: Any, config: Any) -> bool:
    """Whether `cls` is a model class for this kind of configuration."""
    expected = getattr(cls, "config_class", None)
    is_model = hasattr(cls, "_from_config")
    return is_model and isinstance(expected, type) and isinstance(config, expected)


def _class_names(model_type: str) -> Iterator[str]:
    """The classes of a type: for the tasks above, the base model, then for other tasks.

    transformers has a table `MODEL_FOR_<task>_MAPPING_NAMES` for each task. The tables contain
    names, so no model is imported to search them.
    """
    tables = vars(importlib.import_module("transformers.models.auto.modeling_auto"))
    keys = [f"MODEL_FOR_{task}_MAPPING_NAMES" for task in _TASKS] + ["MODEL_MAPPING_NAMES"]
    keys += [key for key in tables if key.startswith("MODEL_") and key.endswith("_NAMES")]
    yielded = set()
    for key in keys:
        table: Mapping[str, Any] = tables.get(key, {})
        entry = table.get(model_type, ())
        for name in (entry,) if isinstance(entry, str) else entry:
            if name not in yielded:
                yielded.add(name)
                yield name


def _class_named(model_type: str, name: str) -> Any:
    """The class from the type's folder, else from anywhere in transformers, else None."""
    configuration = importlib.import_module("transformers.models.auto.configuration_auto")
    folder = configuration.model_type_to_module_name(model_type)
    try:
        return getattr(importlib.import_module(f"transformers.models.{folder}"), name)
    except (ImportError, AttributeError):
        return attribute(name)
