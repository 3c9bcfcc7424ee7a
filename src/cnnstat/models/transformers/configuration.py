"""Read the configuration that a spec of transformers names: JSON only, no code is run."""

from __future__ import annotations

import copy
import importlib
import inspect
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import ModelError, NotFound, UsageError, nearest
from ...escaping import described
from ...input_files import read_bytes
from ..hub import cached_config
from ..known_names import names_of

# Accepted by every configuration class, declared by none.
_COMMON_FIELDS = {"num_labels", "attn_implementation", "experts_implementation", "use_cache",
               "tie_word_embeddings", "torch_dtype", "dtype", "output_attentions",
               "output_hidden_states"}  # fmt: skip


def configuration(name: str, arguments: Mapping[str, Any]) -> Any:
    """The configuration called `name`, with `arguments` overriding its fields.

    `name` is a config.json, a folder with one, a model of the hub whose config.json is in its cache
    on this machine, or a model type such as `llama`. A dotted argument
    is a field of a nested configuration: `text_config.num_hidden_layers`.

    Raises:
        UsageError: a type or field does not exist.
        ModelError: the file cannot be read, needs remote code, or the values are inconsistent.
    """
    file = _file(name)
    fields = {"model_type": name} if file is None else _read(file)
    cls = _class(name, file, fields)
    _check_counts(fields, f"transformers:{name}")
    plain = _plain(cls, fields) if arguments else cls
    for argument, value in arguments.items():
        _set(fields, cls, plain, argument, value)
    _check_counts(fields, f"transformers:{name}")
    try:
        config = _built(cls, fields)
    except Exception as error:  # each class validates its fields in its own way
        shown = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise ModelError(
            f"transformers:{name} is no working configuration{f' with {shown}' if shown else ''}",
            f"{type(error).__name__}: {' '.join(str(error).split())}",
        ) from error
    if "use_cache" not in arguments:
        _without_cache(config)
    return config


def _built(cls: Any, fields: dict[str, Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about fields that newer versions name otherwise
        return cls.from_dict(fields)


_LIMITS = {"layers": 10_000, "n_layer": 10_000, "depth": 10_000, "num_blocks": 10_000,
           "experts": 10_000, "num_labels": 1_000_000, "position": 100_000_000}  # fmt: skip
"""The most of what transformers loops over or has tables of in memory, by a part of its name."""


def _check_counts(fields: Any, place: str) -> None:
    """Raise ModelError if a field would build modules or tables without end, or is no class."""
    architectures = fields.get("architectures")
    if architectures is not None and not (
        isinstance(architectures, list) and all(isinstance(name, str) for name in architectures)
    ):
        raise ModelError(
            f"{place}: architectures is {described(architectures)}",
            "expected a list of names of classes",
        )
    for name, value in fields.items():
        if isinstance(value, dict):
            _check_counts(value, f"{place}: {name}")
        for number in value if isinstance(value, list) else [value]:
            limit = next((n for part, n in _LIMITS.items() if part in name), None)
            if limit is not None and isinstance(number, int) and number > limit:
                raise ModelError(f"{place}: {name} is {described(number)}", f"at most {limit:,}")


def is_file(name: str) -> bool:
    """Whether `name` has a file, as opposed to a model type."""
    return _file(name) is not None


def _file(name: str) -> Path | None:
    path = Path(name)
    if name and os.path.isdir(path):
        return path / "config.json"
    if name.endswith(".json") or os.path.isfile(path):
        return path
    return None if name in names_of("transformers") else cached_config(name)


def _read(file: Path) -> dict[str, Any]:
    try:
        fields = json.loads(read_bytes(file))
    except FileNotFoundError as error:
        raise NotFound(f"there is no file {file}") from error
    except OSError as error:
        raise ModelError(f"cannot read {file}", error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{file} is no JSON", str(error)) from error
    if not isinstance(fields, dict):
        raise ModelError(f"{file} is no configuration", f"it holds a {type(fields).__name__}")
    return fields


def _class(name: str, file: Path | None, fields: Mapping[str, Any]) -> Any:
    known = importlib.import_module("transformers.models.auto.configuration_auto").CONFIG_MAPPING
    model_type = fields.get("model_type")
    if isinstance(model_type, str) and model_type in known:
        return known[model_type]
    if file is None:
        raise _unknown_type(name, list(known.keys()))
    if "auto_map" in fields:
        raise ModelError(
            f"{file} needs code of its own: {', '.join(map(str, _values(fields['auto_map'])))}",
            f"transformers has no type {model_type!r} without it, and code of others is not run",
            hint="build the model in a file of yours: my_model.py:build",
        )
    close = nearest(str(model_type), known.keys()) if model_type else ""
    actual = f"its model_type is {model_type!r}" if model_type else "it has no model_type"
    raise ModelError(f"{file} is no configuration that transformers knows", actual,
                     *filter(None, [close]))  # fmt: skip


def _values(table: Any) -> list[Any]:
    return list(table.values()) if isinstance(table, dict) else [table]


def _unknown_type(name: str, known: list[str]) -> UsageError:
    if "/" in name:
        return UsageError(
            f"transformers:{name}: nothing is downloaded, and there is no such file or folder",
            "of a model on the hub, the config.json alone is enough",
            hint=f"hf download {name} config.json, or transformers:path/to/config.json",
        )
    close = nearest(name, known)
    return UsageError(
        f"transformers has no model type {name!r}", *filter(None, [close]),
        hint="transformers:llama, transformers:path/to/config.json, or cnnstat shapes FILE.py:NAME",
    )  # fmt: skip


def _plain(cls: Any, fields: Mapping[str, Any]) -> Any:
    """The configuration without arguments, to look up its fields; the class if it is invalid."""
    try:
        return _built(cls, copy.deepcopy(dict(fields)))
    except Exception:  # some are invalid without arguments
        return cls


def _without_cache(config: Any) -> None:
    """Turn the cache of keys and values off: a run is one forward pass, as in training."""
    for name in ("", *getattr(config, "sub_configs", ())):
        part: Any = getattr(config, name, None) if name else config
        if hasattr(part, "use_cache"):
            part.use_cache = False


def _set(fields: dict[str, Any], cls: Any, plain: Any, name: str, value: Any) -> None:
    """Set one argument; a dict is merged into the existing value."""
    head, _, rest = name.partition(".")
    head = getattr(cls, "attribute_map", {}).get(head, head)
    known = _fields_of(cls, plain)
    if head not in known:
        close = nearest(head, known)
        raise UsageError(f"{cls.__name__} has no field {head!r}", *filter(None, [close]))
    if not rest:
        previous = fields.get(head)
        merged = isinstance(value, dict) and isinstance(previous, dict)
        fields[head] = {**previous, **value} if merged else value  # type: ignore[dict-item]  # a dict if merged
        return
    nested = getattr(plain, head, None)
    if not hasattr(nested, "to_dict"):
        raise UsageError(f"{head} of {cls.__name__} is no configuration: it has no {rest!r}")
    inner = copy.copy(fields.get(head)) or {}
    _set(inner, type(nested), nested, rest, value)
    fields[head] = inner


def _fields_of(cls: Any, plain: Any) -> set[str]:
    """The known fields of a configuration, whose constructor accepts any keyword."""
    names = {name for name in vars(plain) if not name.startswith("_")}
    names |= set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs"}
    return names | set(getattr(cls, "attribute_map", {})) | _COMMON_FIELDS
