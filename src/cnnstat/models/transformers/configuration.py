"""From the text behind `transformers:` to a configuration. Only JSON is read, no code is run."""

from __future__ import annotations

import copy
import importlib
import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...errors import ModelError, UsageError, nearest

# Fields that every configuration takes and none declares.
_EVERYWHERE = {"num_labels", "attn_implementation", "experts_implementation", "use_cache",
               "tie_word_embeddings", "torch_dtype", "dtype", "output_attentions",
               "output_hidden_states"}  # fmt: skip


def configuration(name: str, arguments: Mapping[str, Any]) -> Any:
    """The configuration that `name` tells, with `arguments` in place of its own fields.

    `name` is a config.json, a folder that holds one, or a model type such as `llama`. A dotted
    argument reaches into a nested configuration: `text_config.num_hidden_layers`.

    Raises:
        UsageError: there is no such type or field.
        ModelError: the file cannot be read, needs code of its own, or the values do not fit.
    """
    file = _file(name)
    fields = {"model_type": name} if file is None else _read(file)
    cls = _class(name, file, fields)
    plain = _plain(cls, fields) if arguments else cls
    for argument, value in arguments.items():
        _set(fields, cls, plain, argument, value)
    try:
        config = cls.from_dict(fields)
    except Exception as error:  # each configuration checks itself in its own way
        given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise ModelError(
            f"transformers:{name} is no working configuration{f' with {given}' if given else ''}",
            f"{type(error).__name__}: {' '.join(str(error).split())}",
        ) from error
    if "use_cache" not in arguments:
        _without_cache(config)
    return config


def is_file(name: str) -> bool:
    """Whether `name` is meant as a path and not as a model type."""
    return _file(name) is not None


def _file(name: str) -> Path | None:
    path = Path(name)
    if name and path.is_dir():
        return path / "config.json"
    return path if name.endswith(".json") or path.is_file() else None


def _read(file: Path) -> dict[str, Any]:
    try:
        fields = json.loads(file.read_bytes())
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
    if model_type in known:
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
    seen = f"its model_type is {model_type!r}" if model_type else "it has no model_type"
    raise ModelError(f"{file} is no configuration that transformers knows", seen,
                     *filter(None, [close]))  # fmt: skip


def _values(table: Any) -> list[Any]:
    return list(table.values()) if isinstance(table, dict) else [table]


def _unknown_type(name: str, known: list[str]) -> UsageError:
    if "/" in name:
        return UsageError(
            f"transformers:{name}: nothing is downloaded, and there is no such file or folder",
            "save the model's config.json and name it",
            hint="transformers:path/to/config.json",
        )
    close = nearest(name, known)
    return UsageError(
        f"transformers has no model type {name!r}", *filter(None, [close]),
        hint="transformers:llama, transformers:path/to/config.json, or cnnstat shapes FILE.py:NAME",
    )  # fmt: skip


def _plain(cls: Any, fields: Mapping[str, Any]) -> Any:
    """The configuration without arguments: what fields there are, nested ones included."""
    try:
        return cls.from_dict(copy.deepcopy(dict(fields)))
    except Exception:  # it may not work without them
        return cls


def _without_cache(config: Any) -> None:
    """One forward pass keeps no keys and values for tokens to come, as in training."""
    for name in ("", *getattr(config, "sub_configs", ())):
        part: Any = getattr(config, name, None) if name else config
        if hasattr(part, "use_cache"):
            part.use_cache = False


def _set(fields: dict[str, Any], cls: Any, plain: Any, name: str, value: Any) -> None:
    """Put one argument in its place; a dict is merged into what stands there."""
    head, _, rest = name.partition(".")
    head = getattr(cls, "attribute_map", {}).get(head, head)
    known = _fields_of(cls, plain)
    if head not in known:
        close = nearest(head, known)
        raise UsageError(f"{cls.__name__} has no field {head!r}", *filter(None, [close]))
    if not rest:
        before = fields.get(head)
        merged = isinstance(value, dict) and isinstance(before, dict)
        fields[head] = {**before, **value} if merged else value  # type: ignore[dict-item]
        return
    nested = getattr(plain, head, None)
    if not hasattr(nested, "to_dict"):
        raise UsageError(f"{head} of {cls.__name__} is no configuration: it has no {rest!r}")
    inner = copy.copy(fields.get(head)) or {}
    _set(inner, type(nested), nested, rest, value)
    fields[head] = inner


def _fields_of(cls: Any, plain: Any) -> set[str]:
    """The fields that a class takes. Its constructor takes any keyword: it cannot tell."""
    names = {name for name in vars(plain) if not name.startswith("_")}
    names |= set(inspect.signature(cls.__init__).parameters) - {"self", "kwargs"}
    return names | set(getattr(cls, "attribute_map", {})) | _EVERYWHERE
