"""An exported graph as a tree of modules, each of which runs its part of the graph when called.

The tree has the paths, classes and parameters of the exported model, so it can be traced, run up to
one layer or have a module replaced like any other model. The modules are shells: they have the name
of a torch.nn class and the settings that a report shows, but not its code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

from .graph import Graph, Node, Ref, SubGraph, Weight


@dataclass(slots=True)
class Segment:
    """The part of the graph that one module call runs."""

    path: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    steps: list[tuple[Node | Segment, tuple[str, ...]]] = field(default_factory=list)
    """Nodes and calls of submodules, each with the names of the values it is the last to use."""

    def __deepcopy__(self, memo: Any) -> Segment:
        return self  # it contains names only, no modules or tensors


# Entries of a shell's __dict__. They are no identifiers, so no submodule can have these names.
_SEGMENT, _ROOT, _CONSTANTS = "its segment", "the root", "the constants"


class Shell(nn.Module):
    """A module that runs the segment which its caller sets, since each of its calls has its own.

    The root is in a list, so that it is not registered as a submodule.
    """

    def forward(self, *args: Any) -> Any:
        return run(vars(self)[_SEGMENT], args, vars(self)[_ROOT][0])

    def extra_repr(self) -> str:
        return ""


class Root(Shell):
    """The outermost shell. Its keyword inputs follow the positional ones."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        segment: Segment = vars(self)[_SEGMENT]
        values = dict(zip(segment.inputs, args, strict=False)) | kwargs
        return run(segment, tuple(values[name] for name in segment.inputs), self)


def run(segment: Segment, args: Sequence[Any], root: nn.Module) -> Any:
    """Run the steps of a segment; a value is freed after its last use."""
    results = _run(segment, args, root)
    return results[0] if len(results) == 1 else results


def _run(segment: Segment, args: Sequence[Any], root: nn.Module) -> tuple[Any, ...]:
    values = dict(zip(segment.inputs, args, strict=True))
    for step, last_used in segment.steps:
        if isinstance(step, Segment):
            module = root.get_submodule(step.path)
            vars(module)[_SEGMENT] = step
            result = module(*(values[name] for name in step.inputs))
            names: Any = step.outputs[0] if len(step.outputs) == 1 else step.outputs
        else:
            result = _execute(step, values, root)
            names = step.outputs
        _store(names, result, values)
        del result  # or it would be alive until the next one exists
        for name in last_used:
            del values[name]
    return tuple(values[name] for name in segment.outputs)


@cache
def _segment_of(sub_graph: SubGraph) -> Segment:
    return segmented(sub_graph.graph, sub_graph.depth)


def _function(sub_graph: SubGraph, root: nn.Module) -> Callable[..., Any]:
    """The function that runs a graph in the arguments of a higher-order operator."""

    def called(*args: Any) -> Any:
        results = _run(_segment_of(sub_graph), args, root)
        return results[0] if sub_graph.single else results

    return called


def _execute(node: Node, values: Mapping[str, Any], root: nn.Module) -> Any:
    around: AbstractContextManager[Any] = nullcontext()
    if node.autocast is not None:
        around = torch.autocast(**node.autocast)
    with around:
        return node.target(*_filled(node.args, values, root), **_filled(node.kwargs, values, root))


def _filled(value: Any, values: Mapping[str, Any], root: nn.Module) -> Any:
    if isinstance(value, Ref):
        return values[value.name] if value.name in values else vars(root)[_CONSTANTS][value.name]
    if isinstance(value, Weight):
        path, _, name = value.name.rpartition(".")
        return getattr(root.get_submodule(path), name)
    if isinstance(value, SubGraph):
        return _function(value, root)
    if isinstance(value, tuple | list):
        return type(value)(_filled(item, values, root) for item in value)
    if isinstance(value, dict):
        return {key: _filled(item, values, root) for key, item in value.items()}
    return value


def _store(names: Any, result: Any, values: dict[str, Any]) -> None:
    if isinstance(names, str):
        values[names] = result
    elif names is not None:
        for name, item in zip(names, result, strict=False):
            _store(name, item, values)


def segmented(graph: Graph, depth: int = 1) -> Segment:
    """Group the nodes by the module calls around them, from the call at `depth` on."""
    last_use = {name: len(graph.nodes) for name in graph.outputs}
    for index in range(len(graph.nodes) - 1, -1, -1):
        for name in graph.nodes[index].uses():
            last_use.setdefault(name, index)
    created = dict.fromkeys(graph.inputs, -1)
    for index, node in enumerate(graph.nodes):
        created.update(dict.fromkeys(node.names(), index))
    root = Segment("", graph.inputs, graph.outputs)
    _fill(root, graph.nodes, 0, depth, created, last_use)
    return root


def _fill(
    segment: Segment, nodes: Sequence[Node], start: int, depth: int,
    created: Mapping[str, int], last_use: Mapping[str, int],
) -> None:  # fmt: skip
    """Append steps for `nodes` to `segment`; a run of nodes in one module call becomes one step.

    `start` is the index of the first node in the graph; `created` and `last_use` are the indices of
    the nodes that create a value and use it last.
    """
    alive = dict.fromkeys(segment.inputs)
    index = 0
    while index < len(nodes):
        step: Node | Segment = nodes[index]
        scopes, end = nodes[index].scopes[depth : depth + 1], index + 1
        while scopes and end < len(nodes) and nodes[end].scopes[depth : depth + 1] == scopes:
            end += 1
        part, low, high = nodes[index:end], start + index, start + end
        names = [name for node in part for name in node.names()]
        if scopes:
            uses = dict.fromkeys(name for node in part for name in node.uses())
            inputs = tuple(name for name in uses if created.get(name, low) < low)
            names = [name for name in names if last_use.get(name, -1) >= high]
            step = Segment(scopes[0].path, inputs, tuple(names))
            _fill(step, part, low, depth + 1, created, last_use)
        alive |= dict.fromkeys(names)
        last_used = tuple(name for name in alive if last_use.get(name, -1) < high)
        for name in last_used:
            del alive[name]
        segment.steps.append((step, last_used))
        index = end


def build(
    graph: Graph,
    parameters: Mapping[str, Tensor],
    buffers: Mapping[str, tuple[Tensor, bool]],
    constants: Mapping[str, Tensor],
    paths: Sequence[str],
) -> nn.Module:
    """Build the tree of shells that runs `graph`.

    Args:
        parameters: by name; one tensor under two names is a shared parameter.
        buffers: by name, each with whether it is persistent.
        constants: tensors that belong to no module, by their names in the graph.
        paths: the modules of the model in order; one without nodes has no known class.
    """
    types = {scope.path: scope.type for node in graph.all_nodes() for scope in node.scopes}
    root = _shell(types.get("", "Module"), Root)
    modules: dict[str, nn.Module] = {"": root}
    owners = (name.rpartition(".")[0] for name in (*parameters, *buffers))
    for path in (*paths, *types, *owners):
        _grow(path, types, modules)
    for name, tensor in parameters.items():
        path, _, attribute = name.rpartition(".")
        modules[path].register_parameter(attribute, tensor)  # type: ignore[arg-type]  # all are Parameters
    for name, (tensor, persistent) in buffers.items():
        path, _, attribute = name.rpartition(".")
        modules[path].register_buffer(attribute, tensor, persistent)
    vars(root)[_CONSTANTS] = dict(constants)
    vars(root)[_SEGMENT] = segmented(graph)
    for module in modules.values():
        vars(module)[_ROOT] = [root]
    for node in graph.all_nodes():
        if node.scopes:
            module = modules[node.scopes[-1].path]
            vars(module).update(settings_of(module, node))
    return root


def _grow(path: str, types: Mapping[str, str], modules: dict[str, nn.Module]) -> None:
    """Add the module at `path`, and its parents if they are missing."""
    if path not in modules:
        around, _, name = path.rpartition(".")
        _grow(around, types, modules)
        modules[path] = _shell(types.get(path, "Module"), Shell)
        modules[around].add_module(name, modules[path])


def _shell(type_name: str, kind: type[Shell]) -> nn.Module:
    """A module of a new class named `type_name`, e.g. torch.nn.modules.conv.Conv2d.

    It is a subclass of the torch.nn class, so isinstance works, but torch's __init__ is not called.
    """
    place, _, name = type_name.rpartition(".")
    known = getattr(nn, name, None) if place.startswith("torch.nn.") else None
    bases = (kind, known) if isinstance(known, type) and issubclass(known, nn.Module) else (kind,)
    module: nn.Module = object.__new__(type(name, bases, {"__module__": place or __name__}))
    nn.Module.__init__(module)
    return module


def settings_of(module: nn.Module, node: Node) -> dict[str, Any]:
    """The constructor arguments of a torch.nn layer for reports, from the shapes of its weights.

    `node` is one of the operators that the layer `module` runs; some arguments are read from it.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in module.named_parameters(recurse=False)}
    shapes |= {name: tuple(tensor.shape) for name, tensor in module.named_buffers(recurse=False)}
    weight = shapes.get("weight", shapes.get("running_mean"))
    name = getattr(node.target, "__name__", "").partition(".")[0].removesuffix("_")
    if isinstance(module, nn.Linear) and weight:
        return {"in_features": weight[1], "out_features": weight[0]}
    if isinstance(module, nn.modules.batchnorm._NormBase) and weight:
        return {"num_features": weight[0]}
    if isinstance(module, nn.GroupNorm) and name.endswith("group_norm"):
        groups = node.args[6 if name.startswith("native") else 1]
        return {"num_groups": groups, "num_channels": weight[0]} if weight else {}
    if name in ("layer_norm", "native_layer_norm", "rms_norm", "_fused_rms_norm"):
        return {"normalized_shape": tuple(node.args[1])}
    if name == "dropout":
        return {"p": node.args[1]}
    if isinstance(module, nn.Embedding) and weight:
        return {"num_embeddings": weight[0], "embedding_dim": weight[1]}
    if isinstance(module, nn.MultiheadAttention) and "in_proj_weight" in shapes:
        return {"embed_dim": shapes["in_proj_weight"][1]}
    if isinstance(module, nn.RNNBase) and "weight_ih_l0" in shapes:
        return {
            "input_size": shapes["weight_ih_l0"][1],
            "hidden_size": shapes["weight_hh_l0"][1],
            "num_layers": len({n for n in shapes if n.startswith("weight_ih") and n[-1].isdigit()}),
            "bidirectional": "weight_ih_l0_reverse" in shapes,
        }
    return {}
