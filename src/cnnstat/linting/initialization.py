"""Parameters that a constructor never writes: whatever was in memory is their first value."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import TorchDispatchMode

from ..diagnosis.subjects import quietly
from ..models.construction import functions_observed
from ..models.loaded import Loaded
from ..operators.registry import Trait, traits_of
from ..tracing.recording.tensor_records import storage_key
from ..tracing.structure.modules import paths_of
from .runs import NotRun

_EMPTY = {"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"}
_WRITES = {"__setitem__", "__iadd__", "__isub__", "__imul__", "__itruediv__"}


def uninitialized_parameters(loaded: Loaded) -> Iterator[tuple[str, str, int]]:
    """Path of the module, name and elements of each parameter that its constructor never writes.

    Raises:
        NotRun: the constructor reads values, so it runs in a way that does not show it.
    """
    writes = _Writes()
    hook = register_module_parameter_registration_hook(writes.register)
    try:
        with quietly(), functions_observed(writes.observe), _init_observed(writes), writes:
            model = loaded.builders.without_data()
    finally:
        hook.remove()
    if not writes.is_complete:
        raise NotRun("the constructor", "it reads the values of tensors")
    for path, module in paths_of(model):
        for name, parameter in module._parameters.items():
            key = writes.registered.get((id(module), name))
            if parameter is None or is_lazy(parameter) or key is None:
                continue
            was_moved = parameter.is_meta and key not in writes.on_meta
            is_same = was_moved or storage_key(parameter) == key
            if is_same and key in writes.empty and key not in writes.written:
                yield path, name, parameter.numel()


@contextmanager
def _init_observed(writes: _Writes) -> Iterator[None]:
    """Note what `torch.nn.init` writes where it would return at once, for a tensor on `meta`."""
    before = {name: f for name, f in vars(nn.init).items() if name.startswith("_no_grad_")}

    def noting(function: Callable[..., Any]) -> Callable[..., Any]:
        def noted(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
            writes.write(tensor)
            return function(tensor, *args, **kwargs)

        return noted

    vars(nn.init).update({name: noting(function) for name, function in before.items()})
    try:
        yield
    finally:
        vars(nn.init).update(before)


class _Writes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch declares no types
    """Notes which storages are created without values, and which are written."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        return False  # see `Operators` in tracing/

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.empty: dict[int, Tensor] = {}  # they stay alive, so that no other gets their identity
        self.on_meta: set[int] = set()
        self.written: set[int] = set()
        self.registered: dict[tuple[int, str], int] = {}
        self.is_complete = True
        self._modules: list[nn.Module] = []  # likewise

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """On the CPU: `torch.Tensor(3, 4)` is no function. On `meta` kernels call each other."""
        result = func(*args, **(kwargs or {}))
        name = ".".join(str(func.name()).replace("::", ".").split(".")[:2])
        if isinstance(result, Tensor) and result.is_cpu and Trait.UNWRITTEN in traits_of(name):
            self.empty[storage_key(result)] = result
        if func._schema.is_mutable:
            for argument, value in zip(func._schema.arguments, args, strict=False):
                if argument.alias_info is not None and argument.alias_info.is_write:
                    self.write(value)
            self.write(tuple((kwargs or {}).values()))  # `out=`
        return result

    def observe(self, func: Any, args: Any, kwargs: Any, result: Any) -> None:
        if func is None:
            self.is_complete = False
            return
        name = getattr(func, "__name__", "")
        if name in _EMPTY and isinstance(result, Tensor) and result.is_meta:
            self.empty[storage_key(result)] = result
            self.on_meta.add(storage_key(result))
        in_place = name.endswith("_") and not name.startswith("__") and name != "requires_grad_"
        if in_place or name in _WRITES:
            self.write(args[:1])
        self.write(kwargs.get("out"))

    def write(self, value: Any) -> None:
        for tensor in value if isinstance(value, list | tuple) else (value,):
            if isinstance(tensor, Tensor):
                self.written.add(storage_key(tensor))

    def register(self, module: nn.Module, name: str, parameter: Any) -> None:
        if isinstance(parameter, Tensor) and not is_lazy(parameter):
            self._modules.append(module)
            self.registered[id(module), name] = storage_key(parameter)
            if parameter.is_meta:
                self.on_meta.add(storage_key(parameter))
