"""Read the nodes of a torch.export program: from JSON to operators that can be called.

A higher-order operator that runs one graph exactly once is replaced by the nodes of that graph; one
that runs graphs depending on values keeps them as arguments.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch

from .functions import UnsupportedProgram, function_of, unknown_operator
from .graph import Graph, Node, Ref, Scope, SubGraph, Weight

Json = Mapping[str, Any]

DTYPES = {
    1: torch.uint8, 2: torch.int8, 3: torch.int16, 4: torch.int32, 5: torch.int64,
    6: torch.float16, 7: torch.float32, 8: torch.float64, 9: torch.complex32,
    10: torch.complex64, 11: torch.complex128, 12: torch.bool, 13: torch.bfloat16,
    28: torch.uint16, 29: torch.float8_e4m3fn, 30: torch.float8_e5m2,
    31: torch.float8_e4m3fnuz, 32: torch.float8_e5m2fnuz, 34: torch.uint32, 35: torch.uint64,
}  # fmt: skip
_MEMORY_FORMATS = {1: torch.contiguous_format, 2: torch.channels_last,
                   3: torch.channels_last_3d, 4: torch.preserve_format}  # fmt: skip
_STRIDED, _KEYWORD = 7, 2


# They assert what holds for every input of the exported sizes, and compute nothing.
_CHECKS = ("_assert_async", "_assert_scalar", "_assert_tensor_metadata", "sym_constrain_range",
           "sym_constrain_range_for_size", "_check_is_size")  # fmt: skip
_INLINED = {"wrap_with_set_grad_enabled": 1, "wrap_with_autocast": 4}
"""Higher-order operators that run one graph once, and the position of that argument."""


class Reader:
    """Turns nodes of the JSON into callable ones, and inlines graphs of higher-order operators.

    Inlining renames values: the inputs of an inner graph are values of the outer one, and its
    results have the names of the operator's outputs.
    """

    def __init__(self, weights: Mapping[str, Weight]) -> None:
        self.weights = weights
        self._renamed: dict[str, str] = {}

    def resolved(self, name: str) -> str:
        while name in self._renamed:
            name = self._renamed[name]
        return name

    def nodes(
        self, nodes: Sequence[Json], prefix: str, scopes: tuple[Scope, ...] = (),
        autocast: Json | None = None,
    ) -> Iterator[Node]:  # fmt: skip
        """`prefix` makes the names in an inner graph unique."""
        around = scopes
        for node in nodes:
            target: str = node["target"]
            *_, name = target.removesuffix(".default").split(".")
            if target.startswith("torch.ops.aten.") and target.split(".")[3] in _CHECKS:
                continue
            scopes = _scopes(node["metadata"].get("nn_module_stack", ""), around) or scopes
            if target.startswith("torch.ops.higher_order."):
                if name in _INLINED:
                    yield from self._inlined(name, node, prefix, scopes, autocast)
                else:
                    yield self._higher_order(name, node, prefix, scopes, autocast)
                continue
            named = [
                (i["name"], self._argument(i["arg"], prefix), i.get("kind")) for i in node["inputs"]
            ]
            outputs = [_output(argument, prefix) for argument in node["outputs"]]
            function = function_of(target)
            several = len(getattr(getattr(function, "_schema", None), "returns", ())) > 1
            yield Node(
                function,
                tuple(value for _, value, kind in named if kind != _KEYWORD),
                {key: value for key, value, kind in named if kind == _KEYWORD},
                outputs if several or len(outputs) != 1 else outputs[0],
                scopes,
                autocast,
            )

    def _inlined(
        self, name: str, node: Json, prefix: str, scopes: tuple[Scope, ...], autocast: Json | None
    ) -> Iterator[Node]:
        position = _INLINED[name]
        arguments = [item["arg"] for item in node["inputs"]]
        if name == "wrap_with_autocast":
            device, dtype, enabled, cache = (
                self._argument(argument, prefix) for argument in arguments[:position]
            )
            autocast = {"device_type": device, "dtype": dtype, "enabled": enabled,
                        "cache_enabled": cache}  # fmt: skip
        called = arguments[position]["as_graph"]
        inner = f"{prefix}{called['name']}/"
        graph = called["graph"]
        for parameter, argument in zip(graph["inputs"], arguments[position + 1 :], strict=True):
            for inside, outside in zip(names_in(parameter), names_in(argument), strict=True):
                self._renamed[inner + inside] = self.resolved(prefix + outside)
        yield from self.nodes(graph["nodes"], inner, scopes, autocast)
        results = [inner + n for argument in graph["outputs"] for n in names_in(argument)]
        outputs = [prefix + n for argument in node["outputs"] for n in names_in(argument)]
        self._renamed.update(zip(outputs, results, strict=False))

    def _higher_order(
        self, name: str, node: Json, prefix: str, scopes: tuple[Scope, ...], autocast: Json | None
    ) -> Node:
        """An operator that runs the graphs among its arguments: `cond`, `while_loop`, `scan`."""
        operator = getattr(torch.ops.higher_order, name, None)
        if not isinstance(operator, torch._ops.HigherOrderOperator):
            raise unknown_operator(f"higher_order.{name}")

        def argument(value: Json) -> Any:
            called = value.get("as_graph")
            if called is None:
                return self._argument(value, prefix)
            return self._sub_graph(called, prefix, scopes, autocast)

        named = [(i["name"], argument(i["arg"]), i.get("kind")) for i in node["inputs"]]
        if not any(isinstance(value, SubGraph) for _, value, _ in named):
            raise UnsupportedProgram(
                f"it holds torch.ops.higher_order.{name} without a graph to run"
            )
        outputs = [prefix + n for result in node["outputs"] for n in names_in(result)]
        return Node(
            operator,
            tuple(value for _, value, kind in named if kind != _KEYWORD),
            {key: value for key, value, kind in named if kind == _KEYWORD},
            outputs,
            scopes,
            autocast,
        )

    def _sub_graph(
        self, called: Json, prefix: str, scopes: tuple[Scope, ...], autocast: Json | None
    ) -> SubGraph:
        graph, inner = called["graph"], f"{prefix}{called['name']}/"
        nodes = tuple(self.nodes(graph["nodes"], inner, scopes, autocast))
        inputs = tuple(inner + n for value in graph["inputs"] for n in names_in(value))
        results = tuple(
            self.resolved(inner + n) for value in graph["outputs"] for n in names_in(value)
        )
        single = bool(graph.get("is_single_tensor_return"))
        return SubGraph(Graph(inputs, results, nodes), len(scopes), single)

    def _argument(self, argument: Json, prefix: str) -> Any:
        (kind, value), = argument.items()  # fmt: skip
        if kind in _PLAIN:
            return value
        if kind in ("as_tensor", "as_sym_int", "as_sym_bool", "as_sym_float"):
            return self._value(value, prefix)
        if kind == "as_optional_tensor":
            return self._optional(value, prefix)
        if kind in ("as_tensors", "as_sym_ints", "as_sym_bools", "as_sym_floats"):
            return [self._value(item, prefix) for item in value]
        if kind == "as_optional_tensors":
            return [self._optional(item, prefix) for item in value]
        if kind == "as_nested_tensors":
            return [[self._value(item, prefix) for item in items] for items in value]
        if kind == "as_string_to_argument":
            return {key: self._argument(item, prefix) for key, item in value.items()}
        if kind in _READ:
            return _READ[kind](value)
        raise UnsupportedProgram(f"it holds an argument of the kind {kind.removeprefix('as_')!r}")

    def _value(self, value: Json, prefix: str) -> Any:
        for plain in ("as_int", "as_bool", "as_float"):
            if plain in value:
                return value[plain]
        name = self.resolved(prefix + (value["as_name"] if "as_name" in value else value["name"]))
        return self.weights.get(name) or Ref(name)

    def _optional(self, value: Json, prefix: str) -> Any:
        return self._value(value["as_tensor"], prefix) if "as_tensor" in value else None


_PLAIN = ("as_int", "as_ints", "as_string", "as_strings", "as_bool", "as_bools", "as_int_lists")
_READ: dict[str, Callable[[Any], Any]] = {
    "as_none": lambda _: None,
    "as_float": float,  # infinities are strings
    "as_floats": lambda values: [float(value) for value in values],
    "as_float_lists": lambda lists: [[float(value) for value in values] for values in lists],
    "as_complex": lambda value: complex(value["real"], value["imag"]),
    "as_scalar_type": DTYPES.__getitem__,
    "as_memory_format": _MEMORY_FORMATS.__getitem__,
    "as_layout": lambda layout: torch.strided if layout == _STRIDED else _sparse(),
    "as_device": lambda _: torch.device("meta"),  # whatever the device at export
}


def _sparse() -> Any:
    raise UnsupportedProgram("it makes sparse tensors")


def _scopes(text: str, around: tuple[Scope, ...]) -> tuple[Scope, ...]:
    """Parse `key,path,class;…`, from the outermost to the innermost module."""
    scopes = []
    for item in text.split(";"):
        key, _, rest = item.partition(",")
        path, _, type_name = rest.partition(",")
        if not type_name or path.startswith("_empty_nn_module_stack"):
            return ()
        path = re.sub(r"^L\['self'\]\.?", "", path).partition("@")[0]
        scopes.append(Scope(key, path, type_name))
    return around if len(scopes) < len(around) else tuple(scopes)


def _output(argument: Json, prefix: str) -> Any:
    (kind, value), = argument.items()  # fmt: skip
    if kind in ("as_tensors", "as_sym_ints"):
        return [prefix + _name(item) for item in value]
    if kind == "as_none" or (kind == "as_optional_tensor" and "as_none" in value):
        return None
    return prefix + _name(value["as_tensor"] if kind == "as_optional_tensor" else value)


def _name(value: Json) -> str:
    name: str = value["as_name"] if "as_name" in value else value["name"]
    return name


def names_in(argument: Json) -> list[str]:
    (kind, value), = argument.items()  # fmt: skip
    if kind in ("as_tensor", "as_sym_int", "as_sym_bool", "as_sym_float"):
        return [_name(value)] if "name" in value or "as_name" in value else []
    return [_name(item) for item in value] if kind in ("as_tensors", "as_sym_ints") else []
