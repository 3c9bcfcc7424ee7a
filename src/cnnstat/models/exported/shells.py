"""A recorded graph as a tree of modules: each runs its own part of the graph when it is called.

The tree has the paths, classes and parameters of the model that the graph was made from, so what
is done with modules (tracing them, running them up to one layer, putting another in the place of
one) is done with a graph as well. The modules are shells: of a class of torch.nn they have the
name and the settings that a report shows, and no code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from .graph import Graph, Node, Ref, Weight


@dataclass(slots=True)
class Segment:
    """The part of the graph that one call of a module runs."""

    path: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    steps: list[tuple[Node | Segment, tuple[str, ...]]] = field(default_factory=list)
    """Each with the names of the values that nothing needs behind it."""

    def __deepcopy__(self, memo: Any) -> Segment:
        return self  # it names modules and values, and holds none


class Shell(nn.Module):
    """A module that runs a segment: the one named by whoever calls it, a module may have several.

    `root` stands in a list, so that it is no submodule.
    """

    _segment: Segment
    _root: list[nn.Module]

    def forward(self, *args: Any) -> Any:
        return run(self._segment, args, self._root[0])

    def extra_repr(self) -> str:
        return ""


class Root(Shell):
    """The outermost shell. Its keyword inputs stand behind the positional ones."""

    _constants: dict[str, Tensor]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(self._segment.inputs, args, strict=False)) | kwargs
        return run(self._segment, tuple(given[name] for name in self._segment.inputs), self)


def run(segment: Segment, args: Sequence[Any], root: nn.Module) -> Any:
    values = dict(zip(segment.inputs, args, strict=True))
    for step, done in segment.steps:
        if isinstance(step, Segment):
            module = root.get_submodule(step.path)
            vars(module)["_segment"] = step
            result = module(*(values[name] for name in step.inputs))
            names: Any = step.outputs[0] if len(step.outputs) == 1 else step.outputs
        else:
            result = _execute(step, values, root)
            names = step.outputs
        _store(names, result, values)
        del result
        for name in done:
            del values[name]
    results = tuple(values[name] for name in segment.outputs)
    return results[0] if len(results) == 1 else results


def _execute(node: Node, values: Mapping[str, Any], root: nn.Module) -> Any:
    around: AbstractContextManager[Any] = nullcontext()
    if node.autocast is not None:
        around = torch.autocast(**node.autocast)
    with around:
        return node.target(*_filled(node.args, values, root), **_filled(node.kwargs, values, root))


def _filled(value: Any, values: Mapping[str, Any], root: nn.Module) -> Any:
    if isinstance(value, Ref):
        return values[value.name] if value.name in values else vars(root)["_constants"][value.name]
    if isinstance(value, Weight):
        path, _, name = value.name.rpartition(".")
        return getattr(root.get_submodule(path), name)
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


def segmented(graph: Graph) -> Segment:
    """Group the nodes by the calls of modules that they stand in."""
    last_use = {name: len(graph.nodes) for name in graph.outputs}
    for index in range(len(graph.nodes) - 1, -1, -1):
        for name in graph.nodes[index].uses():
            last_use.setdefault(name, index)
    made = dict.fromkeys(graph.inputs, -1)
    for index, node in enumerate(graph.nodes):
        made.update(dict.fromkeys(node.names(), index))
    root = Segment("", graph.inputs, graph.outputs)
    _fill(root, graph.nodes, 0, 1, made, last_use)
    return root


def _fill(
    segment: Segment, nodes: Sequence[Node], start: int, depth: int,
    made: Mapping[str, int], last_use: Mapping[str, int],
) -> None:  # fmt: skip
    """Put `nodes`, of which the first is number `start` of the graph, into steps of `segment`."""
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
            inputs = tuple(name for name in uses if made.get(name, low) < low)
            names = [name for name in names if last_use.get(name, -1) >= high]
            step = Segment(scopes[0].path, inputs, tuple(names))
            _fill(step, part, low, depth + 1, made, last_use)
        alive |= dict.fromkeys(names)
        done = tuple(name for name in alive if last_use.get(name, -1) < high)
        for name in done:
            del alive[name]
        segment.steps.append((step, done))
        index = end


def build(
    graph: Graph,
    parameters: Mapping[str, Tensor],
    buffers: Mapping[str, tuple[Tensor, bool]],
    constants: Mapping[str, Tensor],
    paths: Sequence[str],
) -> nn.Module:
    """The tree of shells that runs `graph`.

    Args:
        parameters: by name; one tensor under two names is a shared parameter.
        buffers: with whether each is persistent.
        constants: tensors that belong to no module, by their names in the graph.
        paths: the modules of the model in order; those that no node stands in have no class.
    """
    types = {scope.path: scope.type for node in graph.nodes for scope in node.scopes}
    root = _shell(types.get("", "Module"), Root)
    modules: dict[str, nn.Module] = {"": root}
    owners = (name.rpartition(".")[0] for name in (*parameters, *buffers))
    for path in (*paths, *types, *owners):
        _grow(path, types, modules)
    for name, tensor in parameters.items():
        path, _, own = name.rpartition(".")
        modules[path].register_parameter(own, tensor)  # type: ignore[arg-type]  # Parameters, each
    for name, (tensor, persistent) in buffers.items():
        path, _, own = name.rpartition(".")
        modules[path].register_buffer(own, tensor, persistent)
    vars(root)["_constants"] = dict(constants)
    vars(root)["_segment"] = segmented(graph)
    for module in modules.values():
        vars(module)["_root"] = [root]
    for node in graph.nodes:
        if node.scopes:
            module = modules[node.scopes[-1].path]
            vars(module).update(settings_of(module, node))
    return root


def _grow(path: str, types: Mapping[str, str], modules: dict[str, nn.Module]) -> None:
    """Add the module at `path` and those around it."""
    if path not in modules:
        around, _, name = path.rpartition(".")
        _grow(around, types, modules)
        modules[path] = _shell(types.get(path, "Module"), Shell)
        modules[around].add_module(name, modules[path])


def _shell(type_name: str, kind: type[Shell]) -> nn.Module:
    """A module of a class with the name `type_name`, e.g. torch.nn.modules.conv.Conv2d."""
    place, _, name = type_name.rpartition(".")
    known = getattr(nn, name, None) if place.startswith("torch.nn.") else None
    bases = (kind, known) if isinstance(known, type) and issubclass(known, nn.Module) else (kind,)
    module: nn.Module = object.__new__(type(name, bases, {"__module__": place or __name__}))
    nn.Module.__init__(module)
    return module


def settings_of(module: nn.Module, node: Node) -> dict[str, Any]:
    """What a report shows of a layer of torch.nn and the shapes of its operators do not tell.

    `node` is one of the operators that run in the layer `module`.
    """
    own = {name: tuple(tensor.shape) for name, tensor in module.named_parameters(recurse=False)}
    own |= {name: tuple(tensor.shape) for name, tensor in module.named_buffers(recurse=False)}
    weight = own.get("weight", own.get("running_mean"))
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
    if isinstance(module, nn.MultiheadAttention) and "in_proj_weight" in own:
        return {"embed_dim": own["in_proj_weight"][1]}
    if isinstance(module, nn.RNNBase) and "weight_ih_l0" in own:
        return {
            "input_size": own["weight_ih_l0"][1],
            "hidden_size": own["weight_hh_l0"][1],
            "num_layers": len({n for n in own if n.startswith("weight_ih") and n[-1].isdigit()}),
            "bidirectional": "weight_ih_l0_reverse" in own,
        }
    return {}
