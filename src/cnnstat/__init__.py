"""cnnstat tells what a neural network is and what it costs before anyone trains it.

The public API is imported on first use, so that `import cnnstat` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .analysis.benchmark.records import Benchmark
    from .analysis.explanation.records import Explanation
    from .analysis.memory.records import Memory
    from .analysis.records import Analysis, Comparison, Formulas, Scaling, Verification
    from .analysis.roofline.records import Device, Devices, Roofline
    from .api import analyze, compare, explain, verify
    from .bench.measuring import measure, resume
    from .devices import list_devices
    from .errors import CnnstatError, ModelError, ShapeError, UsageError
    from .measuring import measure_device
    from .predicting.memory import memory
    from .predicting.roofline import roofline
    from .sizing.formulas import formulas
    from .sizing.scaling import scale
    from .sources.listing import list_models
    from .sources.own import register
    from .sources.saved import read_analysis

__all__ = [
    "Analysis",
    "Benchmark",
    "CnnstatError",
    "Comparison",
    "Device",
    "Devices",
    "Explanation",
    "Formulas",
    "Memory",
    "ModelError",
    "Roofline",
    "Scaling",
    "ShapeError",
    "UsageError",
    "Verification",
    "__version__",
    "analyze",
    "compare",
    "explain",
    "formulas",
    "list_devices",
    "list_models",
    "measure",
    "measure_device",
    "memory",
    "read_analysis",
    "register",
    "resume",
    "roofline",
    "scale",
    "verify",
]

_HOMES = {
    "Analysis": "analysis.records",
    "Benchmark": "analysis.benchmark.records",
    "Comparison": "analysis.records",
    "Device": "analysis.roofline.records",
    "Devices": "analysis.roofline.records",
    "Explanation": "analysis.explanation.records",
    "Formulas": "analysis.records",
    "Memory": "analysis.memory.records",
    "Roofline": "analysis.roofline.records",
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
    "list_devices": "devices",
    "measure_device": "measuring",
    "roofline": "predicting.roofline",
    "scale": "sizing.scaling",
    "list_models": "sources.listing",
    "measure": "bench.measuring",
    "resume": "bench.measuring",
    "read_analysis": "sources.saved",
    "register": "sources.own",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'cnnstat' has no attribute {name!r}")
    return getattr(import_module(f".{_HOMES[name]}", __name__), name)


def __dir__() -> list[str]:
    return __all__
