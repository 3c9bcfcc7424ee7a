"""Models of the Hugging Face hub by their address: `facebook/opt-125m`. Nothing is downloaded.

A config.json in the hub's cache on this machine is read where it is. Importing this file imports
no torch.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

_ADDRESS = re.compile(
    r"(?:https?://(?:www\.)?(?:huggingface\.co|hf\.co)/|(?:hf-hub|hf_hub|hf|huggingface):)?"
    r"(?P<owner>[A-Za-z0-9][\w.-]*)/(?P<name>[A-Za-z0-9][\w.-]*)(?P<rest>[/?#].*)?"
)
_PARTS_OF_PAGES = ("/tree/", "/blob/", "/resolve/", "/raw/", "?", "#")


def repository(spec: str) -> str | None:
    """`owner/name` of a model on the hub, from that, its address or `hf-hub:owner/name`."""
    found = _ADDRESS.fullmatch(spec.strip())
    if found is None:
        return None
    rest = (found["rest"] or "").rstrip("/")
    if rest and not rest.startswith(_PARTS_OF_PAGES):
        return None  # a path with more folders
    return f"{found['owner']}/{found['name']}"


def cache_folder() -> Path:
    """The folder of the hub's cache, by the variables that huggingface_hub reads."""
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE")
    if named:
        return Path(named).expanduser()
    home = os.environ.get("HF_HOME")
    if not home:
        base = os.environ.get("XDG_CACHE_HOME")
        home = str(Path(base) / "huggingface") if base else "~/.cache/huggingface"
    return Path(home).expanduser() / "hub"


def cached_config(name: str) -> Path | None:
    """The config.json of `owner/name` in the hub's cache: that of its main branch, else the newest.

    Some old models have no owner: `bert-base-uncased`. None if the cache has none.
    """
    if repository(name if "/" in name else f"owner/{name}") is None or "://" in name:
        return None
    try:
        folder = cache_folder() / f"models--{name.replace('/', '--')}"
        files = [file for file in folder.glob("snapshots/*/config.json") if file.is_file()]
        if not files:
            return None
        main = folder / "refs" / "main"
        commit = main.read_text(encoding="utf-8").strip() if main.is_file() else ""
        newest = max(files, key=lambda file: file.stat().st_mtime)
        return next((file for file in files if file.parent.name == commit), newest)
    except (OSError, RuntimeError, UnicodeDecodeError):  # no permission, no home
        return None


def fields_of(file: Path) -> dict[str, Any]:
    """The content of a config.json; empty if it is none."""
    try:
        fields = json.loads(file.read_bytes()) if file.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def is_configuration(file: Path) -> bool:
    """Whether a file is a configuration of transformers, as its model_type says."""
    return "model_type" in fields_of(file)
