"""torch.export programs: the JSON of the archive, as a graph of operators.

The schema is torch/_export/serde/schema.py; it is read here as it stands in the file, so that no
code and no pickle of the archive is ever run. Its major version changes when older readers would
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
from .graph import Graph, Node, Weight
from .nodes import DTYPES, Json, Reader, Unreadable, names_in

SCHEMA = 8


@dataclass(frozen=True)
class Program:
    """What the archive tells of a model, tensors on `meta`."""

    graph: Graph
    inputs: tuple[DeclaredInput, ...]
    positional: int
    parameters: dict[str, Tensor]
    buffers: dict[str, tuple[Tensor, bool]]
    constants: dict[str, Tensor]
    paths: tuple[str, ...]
    trains: bool


def read_program(program: Json, aliases: Mapping[str, str]) -> Program:
    """Read a program.

    Args:
        program: the content of models/*.json.
        aliases: for each name of a parameter one that is common to those that share weights.

    Raises:
        Unreadable: it holds an operator that is not known here, or that runs graphs by value.
        LookupError, TypeError, ValueError, AttributeError: it does not fit the schema.
    """
    module = program["graph_module"]
    graph, signature = module["graph"], module["signature"]
    given = _Given(graph, program["range_constraints"], aliases)
    for spec in signature["input_specs"]:
        (kind, item), = spec.items()  # fmt: skip
        given.add(kind, item)
    reader = Reader(given.weights)
    nodes = tuple(reader.nodes(graph["nodes"], ""))
    made = {name for node in nodes for name in node.names()} | {i.name for i in given.inputs}
    results = [s["user_output"]["arg"] for s in signature["output_specs"] if "user_output" in s]
    names = (reader.resolved(name) for argument in results for name in names_in(argument))
    call = module["module_call_graph"][0]["signature"]
    return Program(
        graph=Graph(
            tuple(i.name for i in given.inputs), tuple(n for n in names if n in made), nodes
        ),
        inputs=tuple(given.inputs),
        positional=_positional(call["in_spec"], signature) if call else len(given.inputs),
        parameters=given.parameters,
        buffers=given.buffers,
        constants=given.constants,
        paths=tuple(entry["fqn"].partition("@")[0] for entry in module["module_call_graph"]),
        trains=any(_trains(node) for node in nodes),
    )


class _Given:
    """What goes into the graph: the user's inputs, and the model's parameters, buffers and
    constants; `weights` maps the names of parameters and buffers in the graph to the model's."""

    def __init__(self, graph: Json, ranges: Json, aliases: Mapping[str, str]) -> None:
        self._graph = graph
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
            made = _tensor(self._graph["tensor_values"][inside], kind)
            tensor = self._tensors.setdefault(self._aliases.get(name, name), made)
            if kind == "parameter":
                self.parameters[name] = tensor
            else:
                self.buffers[name] = tensor, item["persistent"]
        elif kind == "tensor_constant":
            name = item["arg"]["name"]
            self.constants[name] = _tensor(self._graph["tensor_values"][name], kind)
        elif kind not in ("constant_input", "token"):
            raise Unreadable(f"it takes a {kind.replace('_', ' ')}, an object of its own class")


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
        raise Unreadable("it takes a number as an input, not only tensors")


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
    """How many tensors are positional: the leaves of the first child of (args, kwargs)."""

    def leaves(spec: Json) -> int:
        children = spec["children_spec"]
        return 1 if spec["type"] is None else sum(map(leaves, children))

    count = leaves(json.loads(in_spec)[1]["children_spec"][0])
    kinds = [next(iter(spec)) for spec in signature["input_specs"]]
    given = [kind for kind in kinds if kind in ("user_input", "constant_input")]
    return given[:count].count("user_input")


def _trains(node: Node) -> bool:
    """Whether the operator does what it does only while training."""
    name = getattr(node.target, "__name__", "").partition(".")[0]
    position = _TRAINING_FLAG.get(name)
    return position is not None and len(node.args) > position and node.args[position] is True


_TRAINING_FLAG = {"batch_norm": 5, "native_batch_norm": 5, "_native_batch_norm_legit": 5,
                  "dropout": 2, "native_dropout": 2, "feature_dropout": 2, "lstm": 6}  # fmt: skip
