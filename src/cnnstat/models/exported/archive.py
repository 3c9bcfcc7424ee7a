"""Load models exported with torch.export: `model.pt2`. No weights are read, no pickle is loaded."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from ...choices import Mode
from ...errors import CnnstatError, ModelError
from ...inputs import InputSpec
from ...units import format_bytes
from ..declared_inputs import resolve_inputs
from ..foreign_files import EXPORT
from .functions import UnsupportedProgram
from .nodes import DTYPES
from .program import SCHEMA, Program, read_program
from .shells import build

_MOST_BYTES = 512  # of a constant whose values are read


def build_exported(
    spec: str, inputs: Sequence[Any], named: Mapping[str, Any]
) -> tuple[nn.Module, list[InputSpec], dict[str, InputSpec], Mode]:
    """The model in a torch.export archive, its positional and named inputs, and its mode.

    Dynamic sizes are those of the inputs, by default those at export.

    Raises:
        UsageError: the program has no such input.
        ModelError: the file is no such archive or is not supported, or an input contradicts a
            fixed size.
    """
    with _explained(spec):
        program = _read(spec)
    chosen = resolve_inputs(spec, program.inputs, inputs, named)
    with _explained(spec):
        model = build(
            program.graph, program.parameters, program.buffers, program.constants, program.paths
        )
    keywords = zip(program.inputs, chosen, strict=True)
    return (
        model,
        chosen[: program.positional],
        {item.name: value for item, value in list(keywords)[program.positional :]},
        "train" if program.is_training else "eval",
    )


def _read(spec: str) -> Program:
    with zipfile.ZipFile(spec) as archive:
        path = _program_path(spec, archive.namelist())
        content, aliases = _member(spec, archive, path), _aliases(spec, archive, path)
        constants = _constants(spec, archive, path)
    program = msgspec.json.decode(content)
    version = program["schema_version"]
    if version["major"] != SCHEMA:
        raise ModelError(
            f"{spec} was written with version {version['major']}.{version['minor']} of "
            f"torch.export's schema, by torch {program.get('torch_version')}",
            f"version {SCHEMA} is read here",
            hint=f"export it again: {EXPORT}",
        )
    return read_program(program, aliases, constants)


@contextmanager
def _explained(spec: str) -> Iterator[None]:
    """Turn what a damaged archive or program leads to into one ModelError.

    The program is indexed wherever it is read and built, so any exception is possible.
    """
    try:
        yield
    except UnsupportedProgram as error:
        raise ModelError(f"{spec} cannot be run", error.message, *error.details) from error
    except CnnstatError:
        raise
    except (OSError, zipfile.BadZipFile, EOFError, NotImplementedError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ModelError(f"{spec} is no torch.export archive", reason) from error
    except Exception as error:  # the content is anybody's
        raise ModelError(
            f"{spec} does not fit the schema of torch.export's programs",
            f"{type(error).__name__}: {error}",
        ) from error


MAX_BYTES = 512 << 20
MAX_RATIO, PLAIN = 100, 16 << 20
"""A member larger than `PLAIN` bytes may unpack to `MAX_RATIO` times its packed size: JSON of real
programs shrinks to a tenth, that of a trap to a thousandth."""


def _member(spec: str, archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of a member, unless it unpacks to more than a program has.

    A reader stops at the stated size, so the statement can be relied on.
    """
    info = archive.getinfo(name)
    if info.flag_bits & 1:
        raise ModelError(f"{spec} is no torch.export archive", f"{name} is encrypted")
    if info.file_size > min(MAX_BYTES, max(PLAIN, MAX_RATIO * info.compress_size)):
        raise ModelError(
            f"{spec} is no torch.export archive",
            f"{name} unpacks from {format_bytes(info.compress_size)} to "
            f"{format_bytes(info.file_size)}, which no program does",
        )
    return archive.read(info)


def _aliases(spec: str, archive: zipfile.ZipFile, program: str) -> dict[str, str]:
    """For each parameter a key that is equal for shared ones: its file and its view of the file.

    Left out are parameters with empty files, as in a model exported without data: there, equal
    files do not mean shared weights.
    """
    root, _, file = program.rpartition("/models/")
    folder = f"{root}/data/weights/"
    config = f"{folder}{file.removesuffix('.json')}_weights_config.json"
    if config not in archive.namelist():
        raise _older_layout(spec)
    stored = msgspec.json.decode(_member(spec, archive, config))["config"]
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    return {
        name: f"{entry['path_name']} {entry['tensor_meta']}"
        for name, entry in stored.items()
        if sizes.get(folder + entry["path_name"])
    }


def _constants(spec: str, archive: zipfile.ZipFile, program: str) -> dict[str, Tensor]:
    """The constants with few elements, from which a loop may count. No pickle is loaded."""
    root, _, file = program.rpartition("/models/")
    folder = f"{root}/data/constants/"
    config = f"{folder}{file.removesuffix('.json')}_constants_config.json"
    if config not in archive.namelist():
        return {}
    sizes = {info.filename: info.file_size for info in archive.infolist()}
    found = {}
    for name, entry in msgspec.json.decode(_member(spec, archive, config))["config"].items():
        path, meta = folder + entry["path_name"], entry["tensor_meta"]
        if entry["use_pickle"] or meta is None or not 0 < sizes.get(path, 0) <= _MOST_BYTES:
            continue
        shape = [size["as_int"] for size in meta["sizes"]]
        try:
            flat = torch.frombuffer(
                bytearray(_member(spec, archive, path)), dtype=DTYPES[meta["dtype"]]
            )
            strides = [stride["as_int"] for stride in meta["strides"]]
            found[name] = flat.as_strided(shape, strides, meta["storage_offset"]["as_int"]).clone()
        except RuntimeError:  # the file is too short for the shape: its values stay unknown
            continue
    return found


def _older_layout(spec: str) -> ModelError:
    return ModelError(
        f"{spec} has an older layout, in which only a pickle tells shared weights",
        "pickles are not loaded: they run code from the file",
        hint=f"save it again with a newer torch: {EXPORT}",
    )


def _program_path(spec: str, names: Sequence[str]) -> str:
    """The path of the one program in the archive."""
    programs = [n for n in names if "/models/" in n and n.endswith(".json")]
    if len(programs) == 1:
        return programs[0]
    if programs:
        stems = ", ".join(Path(name).stem for name in programs)
        raise ModelError(f"{spec} holds several programs: {stems}", "save each on its own")
    if any("/aotinductor/" in name for name in names):
        raise ModelError(f"{spec} is compiled: it holds no graph", hint=EXPORT)
    if any(name.endswith("constants.pkl") for name in names):
        raise ModelError(
            f"{spec} is a TorchScript archive, which is not supported",
            "its constants are pickled, and pickles are not loaded",
            hint=EXPORT,
        )
    if any(name.endswith("serialized_exported_program.json") for name in names):
        raise _older_layout(spec)
    raise ModelError(f"{spec} is no torch.export archive: it holds no program", hint=EXPORT)
