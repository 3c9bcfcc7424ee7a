"""Modules and parameters that exist only once the model has run, or that it never registers.

A forward may create a layer in its first call (`if self.head is None: self.head = nn.Linear(…)`),
create one anew in every call, or use modules of a Python list, which `nn.Module` does not see.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from msgspec.structs import replace as with_changes
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from ...operators.registry import Trait, traits_of
from ...trace.records import Op, Parameter, TensorSpec, Trace
from ..recording.recorder import Recorder
from ..structure.modules import named_tensors, paths_of
from ..structure.packed import packed_weights
from ..structure.sparse import stored_in


def move_to_meta(module: nn.Module, recorder: Recorder) -> None:
    """Move the module's own tensors to `meta`, in place; its children are moved when they run."""
    path = recorder.modules[id(module)].path
    for tensors in (module._parameters, module._buffers):
        for name, tensor in tensors.items():
            if tensor is None or tensor.is_meta or is_lazy(tensor):
                continue
            moved: Any = tensor.detach().to("meta")
            if isinstance(tensor, nn.Parameter):
                moved = nn.Parameter(moved, requires_grad=tensor.requires_grad)
            recorder.replace_parameter(f"{path}.{name}" if path else name, tensor, moved)
            tensors[name] = moved


def path_in(model: nn.Module, module: nn.Module) -> str | None:
    """The first path at which the model has the module now; None if it has not."""
    return next((path for path, child in paths_of(model) if child is module), None)


def with_created(trace: Trace, model: nn.Module, recorder: Recorder) -> Trace:
    """The trace with the parameters and buffers that the model has only since the run."""
    known = {name for p in trace.parameters for name in (p.name, *p.aliases)}
    owners = {name.rpartition(".")[0] for name in known}
    parameters: dict[int, Parameter] = {}
    names: dict[int, str] = {}
    for name, tensor, buffer in named_tensors(model):
        if name in known or is_lazy(tensor):
            continue
        if id(tensor) in parameters:
            found = parameters[id(tensor)]
            parameters[id(tensor)] = replace(found, aliases=(*found.aliases, name))
            continue
        parameters[id(tensor)] = parameter_record(name, (), tensor, buffer)
        spec = recorder.known_spec(tensor)
        if spec is not None:
            names[spec.value] = name
    if not parameters:
        return trace
    created: dict[str, int] = {}
    for parameter in parameters.values():
        if not parameter.buffer:
            place = parameter.name if parameter.owner in owners else parameter.owner
            created[place or parameter.name] = created.get(place, 0) + parameter.numel
    return replace(
        trace,
        parameters=(*trace.parameters, *parameters.values()),
        ops=tuple(_named(trace.ops, names)),
        created=created,
    )


def parameter_records(model: nn.Module) -> Iterator[tuple[Parameter, Tensor | None]]:
    """Each parameter and buffer once, under its first name, with its other names.

    The tensor is None for a packed weight, which the module does not register.
    """
    names: dict[int, list[str]] = {}
    tensors: dict[int, tuple[Tensor, bool]] = {}
    for name, tensor, buffer in named_tensors(model):
        names.setdefault(id(tensor), []).append(name)
        tensors.setdefault(id(tensor), (tensor, buffer))
    for key, (tensor, buffer) in tensors.items():
        if is_lazy(tensor):
            continue
        name, *aliases = names[key]
        yield parameter_record(name, tuple(aliases), tensor, buffer), tensor
    for name, owner, tensor in packed_weights(model):
        yield replace(parameter_record(name, (), tensor, buffer=False), owner=owner), None


def parameter_record(
    name: str, aliases: tuple[str, ...], tensor: Tensor, buffer: bool
) -> Parameter:
    stored, index_bytes = stored_in(tensor)
    return Parameter(
        name=name,
        owner=name.rpartition(".")[0],
        aliases=aliases,
        shape=tuple(tensor.shape),
        dtype=str(tensor.dtype).removeprefix("torch."),
        itemsize=tensor.element_size(),
        trainable=tensor.requires_grad,
        buffer=buffer,
        stored=stored,
        index_bytes=index_bytes,
    )


def _named(ops: tuple[Op, ...], names: dict[int, str]) -> Iterator[Op]:
    """The operators, with names for the tensors whose memory is that of a new parameter."""
    names = dict(names)
    for op in ops:
        if any(tensor.value in names for tensor in op.inputs):
            if Trait.LAYOUT in traits_of(op.name):
                first = names.get(op.inputs[0].value)
                if first is not None:
                    names.update((tensor.value, first) for tensor in op.outputs)
            op = with_changes(
                op, args=_renamed(op.args, names), kwargs=_renamed(op.kwargs, names),
                outputs=_renamed(op.outputs, names),
            )  # fmt: skip
        yield op


def _renamed(value: Any, names: dict[int, str]) -> Any:
    if isinstance(value, TensorSpec):
        name = names.get(value.value)
        return value if name is None else with_changes(value, parameter=name)
    if isinstance(value, tuple):
        return tuple(_renamed(item, names) for item in value)
    if isinstance(value, dict):
        return {key: _renamed(item, names) for key, item in value.items()}
    return value
