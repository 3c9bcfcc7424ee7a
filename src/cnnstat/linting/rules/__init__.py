"""The rules, a file a family: importing this registers them all."""

from importlib import import_module
from pkgutil import iter_modules

from ..registry import RULES

for _file in iter_modules(__path__):
    import_module(f"{__name__}.{_file.name}")

__all__ = ["RULES"]
