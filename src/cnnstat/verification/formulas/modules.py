"""The modules of a model as the counters see them that walk the modules, not the operators."""

from __future__ import annotations

from collections import Counter

from ...trace.records import Trace


class ModuleTree:
    """The modules of a model by all their names, and the parameters in each."""

    def __init__(self, trace: Trace) -> None:
        self._modules = trace.modules
        self.canonical = {
            name: module.path
            for module in trace.modules.values()
            for name in (module.path, *module.aliases)
        }
        self._children: dict[str, list[str]] = {}
        for name, path in self.canonical.items():
            if name:
                parent = self.canonical[name.rpartition(".")[0]]
                self._children.setdefault(parent, []).append(path)
        self._parameters: dict[str, list[tuple[str, int]]] = {}
        for parameter in (p for p in trace.parameters if not p.buffer):
            around = set()
            for name in (parameter.name, *parameter.aliases):
                parts = name.split(".")
                for length in range(len(parts)):
                    path = ".".join(parts[:length])
                    if path not in around and path in trace.modules:
                        around.add(path)
                        inside = self._parameters.setdefault(path, [])
                        inside.append((".".join(parts[length:]), parameter.numel))

        self._listed = self._walk()

    def parameters_in(self, path: str) -> list[tuple[str, int]]:
        """Name below `path` and size of each parameter, one with two names once."""
        return self._parameters.get(path, [])

    def numel(self, path: str) -> int:
        return sum(numel for _, numel in self.parameters_in(path))

    def is_leaf(self, path: str) -> bool:
        """`not any(module.children())`: an empty container is false."""
        return not any(self._is_true(child) for child in self._children.get(path, ()))

    def _is_true(self, path: str) -> bool:
        if self._modules[path].base in ("Sequential", "ModuleList", "ModuleDict"):
            return bool(self._children.get(path))
        if self._modules[path].base in ("ParameterList", "ParameterDict"):
            return bool(self._parameters.get(path))
        return True

    def names_around(self, path: str) -> list[str]:
        """The names of the modules around one, the model left out, and its own: by its last name,
        to which torchinfo moves its hooks."""
        module = self._modules[path]
        parts = (module.path, *module.aliases)[-1].split(".")
        return [".".join(parts[: length + 1]) for length in range(len(parts)) if path]

    def listed(self, path: str) -> int:
        """How often a walk over `named_children` of each module comes across this one."""
        return self._listed[path]

    def _walk(self) -> Counter[str]:
        """Each member once for each name of the module around it: `named_children` leaves out a
        second name in the same module, and all names below that."""
        reached: set[str] = set()
        listed: Counter[str] = Counter()
        seen: set[tuple[str, str]] = set()
        for name in sorted(self.canonical, key=lambda name: name.count(".") + bool(name)):
            parent, path = name.rpartition(".")[0], self.canonical[name]
            if name and (parent not in reached or (parent, path) in seen):
                continue
            seen.add((parent, path))
            reached.add(name)
            listed[path] += 1
        return listed
