"""The error for a file that does not exist: the nearest ones, and the models that are there.

Nothing here imports torch or runs code of the user.
"""

from __future__ import annotations

import errno
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from ..errors import NotFound, closest
from . import source_scan

GRAPHS = (".onnx", ".pt2")
_MOST_LISTED = 8
_SIMILAR = 0.6  # two names of files, as difflib measures it
_EXAMPLE = "my_model.py:Net"


def listed(found: Sequence[str]) -> str:
    more = [f"and {len(found) - _MOST_LISTED} more"] if len(found) > _MOST_LISTED else []
    return ", ".join([*found[:_MOST_LISTED], *more])


def models_in(folder: Path) -> list[str]:
    """The specs of the models in the files of a folder: graphs, and classes in Python files."""
    graphs = [os.path.relpath(file) for file in files_in(folder) if file.suffix in GRAPHS]
    return [*graphs, *source_scan.specs_in(folder)]


def files_in(folder: Path) -> list[Path]:
    try:
        return sorted(Path(entry) for entry in os.scandir(folder) if entry.is_file())
    except OSError:  # no permission, or the folder is gone
        return []


def no_file(path: Path, name: str = "", what: str = "") -> NotFound:
    """The error for a file or folder that does not exist; `name` is a model in it.

    `what` is how it is called; by default "file" and the path.
    """
    if in_circle(path):
        return NotFound(f"{path} leads to no file: symbolic links form a circle")
    message = f"there is no {what or f'file {path}'}"
    folder = path.parent
    if not os.path.isdir(folder):  # unlike Path.is_dir, it answers for names of any length
        return NotFound(message, f"there is no folder {folder} either",
                        hint=f"cnnstat shapes {_EXAMPLE}")  # fmt: skip
    stems = [file.stem for file in files_in(folder) if file.suffix == path.suffix != ""]
    close = closest(path.stem, stems, _SIMILAR)
    near = [os.path.relpath(folder / f"{stem}{path.suffix}") for stem in close]
    here = models_in(folder)
    likely = [spec for file in near for spec in here if spec.partition(":")[0] == file]
    named = [spec for spec in likely or here if name and spec.endswith(f":{name}")]
    details = [f"did you mean {', '.join(near)}?"] if near else []
    if here:
        details.append(f"models in {_shown(folder)}: {listed(here)}")
    elif not near:
        details.append(f"{_shown(folder)} has no model: no .py file with a class of torch.nn, no "
                       "ONNX file and no .pt2")  # fmt: skip
    best = [*named, *likely, *near, *here, _EXAMPLE][0]
    return NotFound(message, *details, hint=shlex.join(["cnnstat", "shapes", best]))


def in_circle(path: Path) -> bool:
    try:
        os.stat(path)
    except OSError as error:
        return error.errno == errno.ELOOP
    except ValueError:  # a null byte
        pass
    return False


def _shown(folder: Path) -> str:
    return "this folder" if folder == Path() else str(folder)
