"""From what a user types to a spec: what has one meaning is understood, the rest leads on.

`ResNet50` is resnet50, `my_model.Net` is my_model.py:Net, `bert` is transformers:bert. Anything
with several meanings, or none, is an error that names the nearest models and what to type. Nothing
here imports torch or runs code of the user.
"""

from __future__ import annotations

import os
import re
import shlex
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ..errors import CnnstatError, ModelError, NotFound, UsageError
from ..run_config import named_objects
from . import hub, source_scan
from .foreign_files import is_foreign, refusal
from .known_names import family_sources, is_installed, names_of, near_specs, plain, same_specs
from .missing_files import GRAPHS, listed, models_in, no_file
from .model_sources import SOURCES
from .not_found import unknown_model, unknown_source, with_arguments
from .user_names import known_names, may_be_registered
from .zoo.catalog import CATALOG


class Resolved(NamedTuple):
    """A spec, and how it was understood if it is not what was typed."""

    spec: str
    note: str = ""


_PYTHON = re.compile(r"(?P<file>.+\.py)(:+|[.#/])(?P<name>[A-Za-z_]\w*)")
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z+-]*://")


def resolve(spec: str) -> Resolved:
    """The spec that a text means.

    Raises:
        UsageError: it names no model, or several; the nearest ones are named.
        ModelError: it is a file or an address that has no model to run.
    """
    if spec in named_objects.get() or spec in CATALOG or spec in known_names():
        return Resolved(spec)
    if (called := with_arguments(spec)) is not None:
        if not spec.strip().endswith("()"):
            raise called
        return _understood(spec, spec.strip().removesuffix("()"))
    return _understood(spec, spec.strip())


def _understood(spec: str, text: str) -> Resolved:
    meant = _meaning(text)
    if meant == spec:
        return Resolved(spec)
    return Resolved(meant, f"{spec} is read as {meant}")


def is_known(word: str) -> bool:
    """Whether a word is a model as it is typed, or the beginning of the names of some."""
    if re.search(r"[:./\\]", word) or os.path.exists(word) or may_be_registered(word):
        return True
    return bool(same_specs(word) or family_sources(word))


def _meaning(spec: str) -> str:
    if _SCHEME.match(spec):
        address = hub.repository(spec)
        if address is None:
            raise _web_address(spec)
        return _of_hub(address, spec)
    if spec.endswith(".py:"):
        return _meaning(spec.removesuffix(":"))
    source, colon, name = spec.partition(":")
    if colon and not source:
        raise unknown_model(spec, [])
    if colon and source in SOURCES:
        return _of_source(source, name)
    path, of_file, _ = spec.rpartition(":")
    if of_file and is_foreign(path):
        raise refusal(path, spec.rpartition(":")[2])
    python = _PYTHON.fullmatch(spec)
    if python is not None and not os.path.isfile(spec):
        if not os.path.lexists(python["file"]):
            raise no_file(Path(python["file"]), name=python["name"])
        return _of_file(python["file"], python["name"])
    if spec.lower().endswith(GRAPHS):
        if not os.path.lexists(spec):
            raise no_file(Path(spec))
        return spec
    if os.path.isdir(spec):
        return _of_folder(Path(spec))
    if spec.endswith(".py"):
        return _only_model(spec)
    if is_foreign(spec):
        raise refusal(spec)
    if spec.endswith(".json"):
        return f"transformers:{spec}" if hub.is_configuration(Path(spec)) else spec
    address = hub.repository(spec)
    if address is not None and not os.path.exists(spec):
        return _of_hub(address, spec)
    if colon:
        if not _may_be_module(source):
            raise unknown_source(source, name)
        return spec  # package.module:NAME
    return _of_words(spec)


def _of_source(source: str, name: str) -> str:
    """`timm:ResNet50` as `timm:resnet50`."""
    is_path = name.endswith(".json") or os.path.exists(name)
    if source == "transformers" and "/" in name and not is_path:
        address = hub.repository(name)
        return _of_hub(address, name) if address is not None else f"{source}:{name}"
    known = names_of(source)
    if name not in known and not os.path.exists(name):
        same = [other for other in known if plain(other) == plain(name)]
        if len(same) == 1:
            return f"{source}:{same[0]}"
    return f"{source}:{name}"


def _of_file(file: str, name: str) -> str:
    """`my_model.py::Net`, `my_model.py.Net` and `my_model.py:net` as `my_model.py:Net`."""
    tree = source_scan.tree_of(Path(file))
    defined = set(source_scan.names_bound(tree)) if tree is not None else {name}
    same = [n for n in source_scan.models_of(Path(file)) if n.lower() == name.lower()]
    return f"{file}:{same[0] if name not in defined and len(same) == 1 else name}"


def _only_model(file: str) -> str:
    """`my_model.py` as the one model that it defines."""
    models = source_scan.models_of(Path(file))
    return f"{file}:{models[0]}" if len(models) == 1 else file


def _of_folder(folder: Path) -> str:
    """A folder as the one model in it.

    Raises:
        UsageError: it has several models, or none.
    """
    is_config = hub.is_configuration(folder / "config.json")
    files = [f"transformers:{folder}"] if is_config else []
    found = [*files, *models_in(folder)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"{folder} is a folder with several models", f"it has {listed(found)}",
            hint=shlex.join(["cnnstat", "shapes", found[0]]),
        )  # fmt: skip
    inside = [
        spec for below in sorted(folder.glob("*/"))[:_MOST_FOLDERS]
        if not below.name.startswith((".", "_")) for spec in source_scan.specs_in(below)
    ]  # fmt: skip
    if inside:
        raise UsageError(
            f"{folder} is a folder without a model; its folders have some",
            f"it has {listed(inside)}",
            hint=shlex.join(["cnnstat", "shapes", inside[0]]),
        )  # fmt: skip
    raise UsageError(
        f"{folder} is a folder without a model",
        "looked for: classes of torch.nn in .py files, .onnx, .pt2, a config.json of transformers",
        hint="cnnstat shapes my_model.py:Net",
    )


_MOST_FOLDERS = 20


def _of_hub(address: str, spec: str) -> str:
    """`owner/name` as the model that the cache of the hub, or a source of that name, has.

    Raises:
        ModelError: none has it.
    """
    owner, _, name = address.partition("/")
    untagged = name.partition(".")[0]
    if owner in SOURCES and (name in names_of(owner) or untagged in names_of(owner)):
        return f"{owner}:{name}"
    config = hub.cached_config(address)
    if config is not None:
        fields = hub.fields_of(config)
        if "model_type" in fields:
            return f"transformers:{address}"
        architecture = fields.get("architecture")
        if isinstance(architecture, str) and architecture in names_of("timm"):
            classes = fields.get("num_classes")
            argument = f" --arg num_classes={classes}" if isinstance(classes, int) else ""
            raise ModelError(
                f"{address} is {architecture} of timm, as its cached config.json says",
                hint=f"cnnstat shapes timm:{architecture}{argument}",
            )
    raise _not_cached(address, spec)


def _not_cached(address: str, spec: str) -> NotFound:
    name = address.partition("/")[2]
    here = "" if "://" in spec or ":" in spec else f"there is no file or folder {spec}; "
    near = near_specs(name)
    return NotFound(
        f"{spec} has no config.json on this machine, and nothing is downloaded",
        f"{here}as a model of the Hugging Face hub it would be in {_home(hub.cache_folder())}",
        *([f"without the hub: {', '.join(near)}"] if near else []),
        "with that file alone in the cache, the same command works",
        hint=f"hf download {address} config.json",
    )


def _home(path: Path) -> str:
    home = os.path.expanduser("~")
    text = str(path)
    return f"~{text.removeprefix(home)}" if home != "/" and text.startswith(f"{home}/") else text


def _may_be_module(name: str) -> bool:
    """Whether a name may be that of a module: it is dotted, here, or installed."""
    is_here = os.path.exists(name) or os.path.exists(f"{name}.py")
    return not name.isidentifier() or is_here or is_installed(name)


def _of_words(spec: str) -> str:
    """A name without a source, a dotted name, or anything else."""
    dotted = _of_module(spec)
    if dotted is not None:
        return dotted
    if not _looks_like_path(spec):
        same = same_specs(spec)
        sources = family_sources(spec)
        if len(same) == 1 and (":" not in same[0] or sources <= {same[0].partition(":")[0]}):
            return same[0]
        if not same and hub.cached_config(spec) is not None:  # one without an owner
            return f"transformers:{spec}"
        raise unknown_model(spec, same)
    raise _no_model(spec)


def _looks_like_path(spec: str) -> bool:
    suffix = Path(spec).suffix
    return os.sep in spec or spec.startswith((".", "~")) or suffix.lower() in _FILE_SUFFIXES


_FILE_SUFFIXES = (*GRAPHS, ".json", ".py", ".yaml", ".yml", ".txt", ".md", ".csv", ".png", ".jpg")


def _no_model(spec: str) -> CnnstatError:
    if os.path.exists(spec):
        return ModelError(
            f"{spec} is no model that can be read",
            "cnnstat reads Python code, ONNX, torch.export archives and configurations of "
            "transformers",
            hint="cnnstat shapes my_model.py:Net",
        )
    return no_file(Path(spec), what=f"file or folder {spec}")


def _web_address(spec: str) -> NotFound:
    if "github.com/" in spec:
        repository = "/".join(spec.partition("github.com/")[2].split("/")[:2])
        folder = repository.rpartition("/")[2].removesuffix(".git")
        return NotFound(
            f"{spec} is an address, and nothing is downloaded",
            f"with a copy of the repository, cnnstat shapes {folder} lists the models in it",
            hint=f"git clone https://github.com/{repository}",
        )
    return NotFound(
        f"{spec} is an address, and nothing is downloaded",
        hint="cnnstat shapes FILE.py:NAME",
    )


def _of_module(spec: str) -> str | None:
    """`my_model.Net` as `my_model.py:Net`, `pkg.net.Net` as `pkg/net.py:Net` or `pkg.net:Net`.

    None if there is no such file here and no such module installed.
    """
    parts = spec.split(".")
    if not all(part.isidentifier() for part in parts):
        return None
    if len(parts) > 1 and parts[0] in SOURCES and parts[-1] in names_of(parts[0]):
        return f"{parts[0]}:{parts[-1]}"
    file, rest = _module_file(Path(), parts)
    if file is not None:
        return f"{file}:{rest[0]}" if rest else _only_model(str(file))
    if len(parts) == 1:
        return None
    try:
        found = find_spec(parts[0])
    except (ImportError, ValueError):
        return None
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        file, rest = _module_file(Path(folder), parts[1:])
        if file is not None and rest:
            return f"{'.'.join(parts[:-1])}:{rest[0]}"
        if os.path.isfile(Path(folder) / "__init__.py") and len(parts) == 2:
            return f"{parts[0]}:{parts[1]}"
    return None


def _module_file(folder: Path, parts: list[str]) -> tuple[Path | None, list[str]]:
    """The file of the module at the start of a dotted name, and at most one name after it."""
    for count in range(len(parts), 0, -1):
        rest = parts[count:]
        if len(rest) > 1:
            break
        path = folder.joinpath(*parts[:count])
        if os.path.isfile(path.with_suffix(".py")):  # for names of any length
            return path.with_suffix(".py"), rest
        if rest and os.path.isfile(path / "__init__.py"):
            return path / "__init__.py", rest
    return None, []
