"""Which call each parameter counts with, and where it was counted if not with the one asked."""

from __future__ import annotations

from collections import Counter, defaultdict

from ..trace.records import Call, Parameter, Trace
from .results import Role
from .roles import role_of_module


class Ownership:
    """Which call a parameter belongs to: each counts once.

    A parameter belongs to the first call of the module that registers it, if that is a leaf of the
    tree; else to the first call in which an op used it, such as a `matmul` in the container that
    registers it. One that no op used belongs to no call.
    """

    def __init__(self, trace: Trace) -> None:
        parameters = [p for p in trace.parameters if not p.buffer]
        containers = {call.parent for call in trace.calls}
        self._modules = trace.modules
        self._called = {call.path for call in trace.calls}
        self._first_call: dict[str, int] = {}
        for call in trace.calls:
            if call.kind == "module":
                self._first_call.setdefault(call.path, call.index)
        first_use: dict[str, int] = {}
        for op in trace.ops:
            for tensor in op.inputs:
                if tensor.parameter is not None and op.call >= 0:
                    first_use.setdefault(tensor.parameter, op.call)
        self.by_call: dict[int, list[Parameter]] = defaultdict(list)
        self.unused: list[Parameter] = []
        for parameter in parameters:
            owner = self._first_call.get(parameter.owner)
            if owner is None or owner in containers:
                owner = first_use.get(parameter.name)
            (self.unused if owner is None else self.by_call[owner]).append(parameter)
        self._owners = {p.owner: p.owner for p in parameters}
        for parameter in parameters:
            for alias in parameter.aliases:
                self._owners.setdefault(alias.rpartition(".")[0], parameter.owner)

    def shared_with(self, call: Call) -> str | None:
        """The module with whose first call the parameters of `call` were counted, if they were."""
        owner = self._owners.get(call.path) if call.module else None
        counted_here = owner == call.path and self._first_call[call.path] == call.index
        return None if counted_here else owner

    def role_of_unused(self, parameter: Parameter) -> Role:
        module = self._modules.get(parameter.owner)
        return (module and role_of_module(module.base)) or "other"

    def notes(self) -> tuple[str, ...]:
        """Parameters that no call used: they are in the total and in no row."""
        unused: Counter[str] = Counter()
        for parameter in self.unused:
            unused[self._uncalled_root(parameter)] += parameter.numel
        return tuple(
            f"{path} was never used: its {params:,} parameters are in the total and in no row"
            for path, params in unused.items()
        )

    def _uncalled_root(self, parameter: Parameter) -> str:
        """The outermost module around the parameter in which nothing was called."""
        parts = parameter.name.split(".")
        for length in range(1, len(parts)):
            path = ".".join(parts[:length])
            if not any(called == path or called.startswith(f"{path}.") for called in self._called):
                return path
        return parameter.name
