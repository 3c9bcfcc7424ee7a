"""Read the program of a torch.export archive: from its JSON to a graph of operators.

The schema is torch/_export/serde/schema.py. The JSON is parsed here and not by torch.export.load:
no code and no pickle of the archive runs. Its major version changes when older readers would
misread it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from ..declared_inputs import DeclaredInput, DynamicSize
from .functions import UnsupportedProgram
from .graph import Graph, Node, Weight
from .nodes import DTYPES, Json, Reader, names_in

SCHEMA = 8


@dataclass(frozen=True)
class Program:
    """A model from an archive; tensors are on `meta`.

    `positional` is the number of positional inputs, `paths` are the modules in order, and
    `is_training` is true if an operator is in training mode.
    """

    graph: Graph
    inputs: tuple[DeclaredInput, ...]
    positional: int
    parameters: dict[str, Tensor]
    buffers: dict[str, tuple[Tensor, bool]]
    constants: dict[str, Tensor]
    paths: tuple[str, ...]
    is_training: bool


def read_program(
    program: Json, aliases: Mapping[str, str], constants: Mapping[str, Tensor]
) -> Program:
    """Read a program.

    Args:
        program: the content of models/*.json.
        aliases: for each parameter a key that is equal for those that share weights.
        constants: the values of small constants, by name; the others are on `meta`.

    Raises:
        UnsupportedProgram: an operator is unknown, or runs graphs depending on values.
        LookupError, TypeError, ValueError, AttributeError: it does not fit the schema.
    """
    module = program["graph_module"]
    graph, signature = module["graph"], module["signature"]
    graph_inputs = _GraphInputs(graph, program["range_constraints"], aliases, constants)
    for spec in signature["input_specs"]:
        (kind, item), = spec.items()  # fmt: skip
        graph_inputs.add(kind, item)
    reader = Reader(graph_inputs.weights)
    nodes = tuple(reader.nodes(graph["nodes"], ""))
    all_nodes = Graph((), (), nodes).all_nodes()
    computed = {name for node in nodes for name in node.names()}
    computed |= {item.name for item in graph_inputs.inputs}
    results = [s["user_output"]["arg"] for s in signature["output_specs"] if "user_output" in s]
    names = (reader.resolved(name) for argument in results for name in names_in(argument))
    call = module["module_call_graph"][0]["signature"]
    return Program(
        graph=Graph(
            tuple(item.name for item in graph_inputs.inputs),
            tuple(name for name in names if name in computed),
            nodes,
        ),
        inputs=tuple(graph_inputs.inputs),
        positional=_positional(call["in_spec"], signature) if call else len(graph_inputs.inputs),
        parameters=graph_inputs.parameters,
        buffers=graph_inputs.buffers,
        constants=graph_inputs.constants,
        paths=tuple(entry["fqn"].partition("@")[0] for entry in module["module_call_graph"]),
        is_training=any(_is_training(node) for node in all_nodes),
    )


class _GraphInputs:
    """The inputs of the graph: those of the user, parameters, buffers and constants.

    `weights` maps names of parameters and buffers in the graph to names in the model.
    """

    def __init__(
        self, graph: Json, ranges: Json, aliases: Mapping[str, str], values: Mapping[str, Tensor]
    ) -> None:
        self._graph = graph
        self._values = values
        self._ranges = ranges
        self._aliases = aliases
        self._tensors: dict[str, Tensor] = {}
        self.inputs: list[DeclaredInput] = []
        self.weights: dict[str, Weight] = {}
        self.parameters: dict[str, Tensor] = {}
        self.buffers: dict[str, tuple[Tensor, bool]] = {}
        self.constants: dict[str, Tensor] = {}

    def add(self, kind: str, item: Json) -> None:
        if kind == "user_input":
            self.inputs += _declared(item["arg"], self._graph, self._ranges)
        elif kind in ("parameter", "buffer"):
            name, inside = item[f"{kind}_name"], item["arg"]["name"]
            self.weights[inside] = Weight(name)
            new = _tensor(self._graph["tensor_values"][inside], kind)
            tensor = self._tensors.setdefault(self._aliases.get(name, name), new)
            if kind == "parameter":
                self.parameters[name] = tensor
            else:
                self.buffers[name] = tensor, item["persistent"]
        elif kind == "tensor_constant":
            name = item["arg"]["name"]
            known = self._values.get(item["tensor_constant_name"])
            new = _tensor(self._graph["tensor_values"][name], kind)
            self.constants[name] = new if known is None or known.shape != new.shape else known
        elif kind not in ("constant_input", "token"):
            raise UnsupportedProgram(
                f"it takes a {kind.replace('_', ' ')}, an object of its own class"
            )


def _tensor(meta: Json, kind: str) -> Tensor:
    sizes, strides = ([n["as_int"] for n in meta[key]] for key in ("sizes", "strides"))
    dtype = DTYPES[meta["dtype"]]
    tensor = torch.empty_strided(sizes, strides, dtype=dtype, device="meta")
    if kind == "parameter":
        return torch.nn.Parameter(tensor, requires_grad=meta["requires_grad"])
    return tensor


def _declared(argument: Json, graph: Json, ranges: Json) -> Iterator[DeclaredInput]:
    (kind, value), = argument.items()  # fmt: skip
    if kind == "as_tensor":
        meta = graph["tensor_values"][value["name"]]
        shape = tuple(_size(size, ranges) for size in meta["sizes"])
        yield DeclaredInput(value["name"], shape, str(DTYPES[meta["dtype"]]).removeprefix("torch."))
    elif kind != "as_none" and ("as_name" in value if isinstance(value, dict) else False):
        raise UnsupportedProgram("it takes a number as an input, not only tensors")


def _size(size: Json, ranges: Json) -> int | DynamicSize:
    if "as_int" in size:
        return int(size["as_int"])
    text = size["as_expr"]["expr_str"]
    symbol = re.match(r"Symbol\('(\w+)'|(\w+)$", text)
    name = (symbol[1] or symbol[2]) if symbol else text
    hint = (size["as_expr"].get("hint") or {}).get("as_int")
    bounds = ranges.get(name, {})
    return DynamicSize(name, hint, bounds.get("min_val"), bounds.get("max_val"))


def _positional(in_spec: str, signature: Json) -> int:
    """The number of positional tensors: the leaves of the first child of (args, kwargs)."""

    def leaves(spec: Json) -> int:
        children = spec["children_spec"]
        return 1 if spec["type"] is None else sum(map(leaves, children))

    count = leaves(json.loads(in_spec)[1]["children_spec"][0])
    kinds = [next(iter(spec)) for spec in signature["input_specs"]]
    of_user = [kind for kind in kinds if kind in ("user_input", "constant_input")]
    return of_user[:count].count("user_input")


def _is_training(node: Node) -> bool:
    """Whether the operator is in training mode."""
    name = getattr(node.target, "__name__", "").partition(".")[0]
    position = _TRAINING_FLAG.get(name)
    return position is not None and len(node.args) > position and node.args[position] is True


# The position of the argument `training` or `train`.
_TRAINING_FLAG = {"batch_norm": 5, "native_batch_norm": 5, "_native_batch_norm_legit": 5,
                  "dropout": 2, "native_dropout": 2, "feature_dropout": 2, "lstm": 6}  # fmt: skip
