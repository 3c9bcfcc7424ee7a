"""cnnstat tells what a neural network is and what it costs before anyone trains it.

The public API is imported on first use, so that `import cnnstat` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .analysis.explanation.records import Explanation
    from .analysis.memory.records import Memory
    from .analysis.records import Analysis, Comparison, Formulas, Scaling, Verification
    from .api import analyze, compare, explain, verify
    from .errors import CnnstatError, ModelError, ShapeError, UsageError
    from .predicting.memory import memory
    from .sizing.formulas import formulas
    from .sizing.scaling import scale
    from .sources.listing import list_models
    from .sources.own import register
    from .sources.saved import read_analysis

__all__ = [
    "Analysis",
    "CnnstatError",
    "Comparison",
    "Explanation",
    "Formulas",
    "Memory",
    "ModelError",
    "Scaling",
    "ShapeError",
    "UsageError",
    "Verification",
    "__version__",
    "analyze",
    "compare",
    "explain",
    "formulas",
    "list_models",
    "memory",
    "read_analysis",
    "register",
    "scale",
    "verify",
]

_HOMES = {
    "Analysis": "analysis.records",
    "Comparison": "analysis.records",
    "Explanation": "analysis.explanation.records",
    "Formulas": "analysis.records",
    "Memory": "analysis.memory.records",
    "Scaling": "analysis.records",
    "Verification": "analysis.records",
    "analyze": "api",
    "compare": "api",
    "explain": "api",
    "verify": "api",
    "CnnstatError": "errors",
    "ModelError": "errors",
    "ShapeError": "errors",
    "UsageError": "errors",
    "memory": "predicting.memory",
    "formulas": "sizing.formulas",
    "scale": "sizing.scaling",
    "list_models": "sources.listing",
    "read_analysis": "sources.saved",
    "register": "sources.own",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cnnstat' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
