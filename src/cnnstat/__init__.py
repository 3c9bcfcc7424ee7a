"""cnnstat computes the shapes and costs of a neural network before anyone trains it.

The public API is imported on first use, so that `import cnnstat` does not import torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .version import __version__

if TYPE_CHECKING:
    from .analysis.results import Analysis
    from .api import (
        analyze,
        compare,
        explain,
        formulas,
        latency,
        lint,
        list_devices,
        list_models,
        measure,
        measure_device,
        memory,
        parameters,
        read_analysis,
        register,
        register_module,
        register_operator,
        resume,
        roofline,
        scale,
        verify,
    )
    from .bench.results import Benchmark
    from .call_arguments import Inputs
    from .comparison.results import Comparison
    from .errors import CnnstatError, ModelError, ShapeError, UsageError
    from .explanation.results import Explanation
    from .inference.results import Latencies
    from .inputs import InputSpec
    from .linting.results import Lint
    from .memory_usage.results import Memory
    from .rooflines.results import Device, Devices, Roofline
    from .static_parameters.results import Parameters
    from .symbolic.results import Formulas, Scaling
    from .verification.results import Verification

__all__ = [
    "Analysis",
    "Benchmark",
    "CnnstatError",
    "Comparison",
    "Device",
    "Devices",
    "Explanation",
    "Formulas",
    "InputSpec",
    "Inputs",
    "Latencies",
    "Lint",
    "Memory",
    "ModelError",
    "Parameters",
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
    "latency",
    "lint",
    "list_devices",
    "list_models",
    "measure",
    "measure_device",
    "memory",
    "parameters",
    "read_analysis",
    "register",
    "register_module",
    "register_operator",
    "resume",
    "roofline",
    "scale",
    "verify",
]

_HOMES = {
    "Analysis": "analysis.results",
    "Benchmark": "bench.results",
    "Comparison": "comparison.results",
    "Device": "rooflines.results",
    "Devices": "rooflines.results",
    "Explanation": "explanation.results",
    "Formulas": "symbolic.results",
    "InputSpec": "inputs",
    "Inputs": "call_arguments",
    "Latencies": "inference.results",
    "Lint": "linting.results",
    "Memory": "memory_usage.results",
    "Parameters": "static_parameters.results",
    "Roofline": "rooflines.results",
    "Scaling": "symbolic.results",
    "Verification": "verification.results",
    "CnnstatError": "errors",
    "ModelError": "errors",
    "ShapeError": "errors",
    "UsageError": "errors",
}


_OF_OTHER_TOOLS = {
    **dict.fromkeys(
        ("summary", "profile", "FlopCountAnalysis", "flop_count", "get_model_complexity_info",
         "get_model_profile", "calculate_flops", "flop_count_table"),
        "analyze(model, (1, 3, 224, 224))",
    ),
    **dict.fromkeys(("ModelSummary", "ActivationCountAnalysis", "analyse"),
                    "analyze(model, (1, 3, 224, 224))"),
    **dict.fromkeys(("parameter_count", "parameter_count_table", "count_parameters",
                     "count_params"), "parameters(model)"),
    **dict.fromkeys(("flops", "count_flops", "get_flops", "macs"),
                    "analyze(model, (1, 3, 224, 224)).totals"),
    **dict.fromkeys(("plot_model", "plot", "draw", "draw_graph"),
                    'analyze(model, (1, 3, 224, 224)).save("model.svg")'),
    **dict.fromkeys(("fit", "train", "Trainer", "evaluate"), "measure(model, data=dataset)"),
    **dict.fromkeys(("show", "print"), "analyze(model, (1, 3, 224, 224)).show()"),
    "save": 'analyze(model, (1, 3, 224, 224)).save("run.json")',
    **dict.fromkeys(("load", "read"), 'read_analysis("run.json")'),
    "clever_format": "analyze(model, (1, 3, 224, 224)).show()",
    "benchmark": "latency(model), cnnstat.measure(spec)",
}  # fmt: skip
"""Functions of torchinfo, thop, fvcore, ptflops, calflops, Keras and Lightning."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        instead = _OF_OTHER_TOOLS.get(name)
        if instead is None and not name.startswith("_"):
            from .errors import closest

            close = closest(name, [known for known in __all__ if known.islower()], cutoff=0.7)
            instead = close[0] if close else None
        hint = f"; try: cnnstat.{instead}" if instead else ""
        raise AttributeError(f"module 'cnnstat' has no attribute {name!r}{hint}")
    home = _HOMES.get(name, "api")  # a function
    return getattr(import_module(f".{home}", __name__), name)


def __dir__() -> list[str]:
    return __all__


def load_ipython_extension(shell: Any) -> None:
    """Add the magic `%cnnstat` to IPython: `%load_ext cnnstat`."""
    from .notebook import load_extension

    load_extension(shell)
