"""CN105: parameters that are never read."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

from ...trace.records import IN_THREADS
from ...tracing.structure.modules import is_scripted, modules_of
from ..registry import Hit, Page, rule
from ..runs import NotRun, Runs

_UNUSED = Page(
    what="A parameter is read by no operator, in eval mode or in train mode.",
    why="It is stored and saved for nothing, and usually shows a mistake: a layer that `forward` "
    "forgets to call. `DistributedDataParallel` stops with an error on it, unless "
    "`find_unused_parameters=True`.",
    fires="""\
from torch import nn

example_input = (1, 3, 32, 32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.shortcut = nn.Conv2d(3, 16, 1)

    def forward(self, x):
        return self.conv(x).relu()
""",
    quiet="""\
from torch import nn

example_input = (1, 3, 32, 32)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 16, 3, padding=1)
        self.shortcut = nn.Conv2d(3, 16, 1)

    def forward(self, x):
        return (self.conv(x) + self.shortcut(x)).relu()
""",
    decided="The operators of a run in eval mode and of one in train mode are followed; both must "
    "reach their end. Layers that only run in train mode (auxiliary heads) count as used. It is "
    "undecided if TorchScript or threads run parts of the model.",
    wrong="A layer that runs only for other inputs or another argument of `forward`. If an input "
    "of `forward` was left at None, or its code reads values of tensors or random numbers, the "
    "finding is a hint.",
)


@rule("CN105", "unused-parameters", "warning", _UNUSED)
def unused_parameters(runs: Runs) -> Iterator[Hit]:
    traces = (runs.eval, runs.train)
    if any(is_scripted(module) for module in modules_of(runs.model)):
        raise NotRun("TorchScript", "its parts are not visible")
    used: set[str] = set()
    for trace in traces:
        for op in (*trace.ops, *trace.uncounted_branches):
            if op.name == IN_THREADS:
                raise NotRun(trace.mode, "threads that forward starts are not recorded")
            used.update(spec.parameter for spec in op.inputs if spec.parameter is not None)
    unused: dict[str, int] = {}
    for parameter in runs.eval.parameters:
        names = (parameter.name, *parameter.aliases)
        if parameter.buffer or not parameter.trainable or not used.isdisjoint(names):
            continue
        path = _unused_root(parameter.name, used)
        unused[path] = unused.get(path, 0) + parameter.numel
    left_out = _inputs_left_at_none(runs)
    by_values = any(trace.value_reads for trace in traces)
    for path, params in unused.items():
        yield Hit(
            path=path,
            message="{at}: {params} parameters are read neither in eval nor in train mode",
            params=params,
            remarks=(f"{left_out} of forward was left at None: it may read them",)
            if left_out else ("DistributedDataParallel stops on them",),
            severity="hint" if left_out or by_values else None,
        )  # fmt: skip


def _unused_root(name: str, used: set[str]) -> str:
    """The outermost module around a parameter none of whose parameters is used, or its name."""
    parts = name.split(".")
    for length in range(1, len(parts)):
        path = ".".join(parts[:length])
        if not any(other.startswith(f"{path}.") for other in used):
            return path
    return name


def _inputs_left_at_none(runs: Runs) -> str:
    """The arguments of forward that are None unless passed, and were not passed."""
    try:
        parameters = inspect.signature(runs.model.forward).parameters
    except (TypeError, ValueError):
        return ""
    loaded = runs.loaded
    optional = [
        f"`{name}`" for number, (name, parameter) in enumerate(parameters.items())
        if parameter.default is None
        and number >= len(loaded.inputs) and name not in loaded.named_inputs
    ]  # fmt: skip
    return ", ".join(optional)
