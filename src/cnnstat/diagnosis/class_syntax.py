"""Definitions of classes of modules that Python accepts and that do not do what was meant."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from difflib import SequenceMatcher

from torch import nn

from .syntax import Code, arguments_of, last_name, nodes, parameters_of

_STATIC = {"staticmethod", "classmethod"}
_SIMILAR = 0.8
_CONSTRUCTORS = {
    "__int__", "__init_", "_init__", "_init_", "__init", "init__", "__inti__", "__innit__",
    "__ini__", "init", "__initi__", "__intit__", "_init", "__init__s",
}  # fmt: skip


def layer_class(code: Code, node: ast.expr) -> type[nn.Module] | None:
    """The class of torch.nn that an expression names."""
    name = last_name(node)
    cls = getattr(nn, name, None)
    is_layer = isinstance(cls, type) and issubclass(cls, nn.Module)
    return cls if is_layer and code.text_of(node) == code.layer(name) else None


def classes_in(code: Code) -> list[ast.ClassDef]:
    return nodes(code.tree, ast.ClassDef)


def class_named(code: Code, name: str) -> ast.ClassDef | None:
    return next((cls for cls in classes_in(code) if cls.name == name), None)


def methods_of(cls: ast.ClassDef) -> list[ast.FunctionDef]:
    return [node for node in cls.body if isinstance(node, ast.FunctionDef)]


def method_named(cls: ast.ClassDef, name: str) -> ast.FunctionDef | None:
    return next((method for method in methods_of(cls) if method.name == name), None)


def wrong_constructors(code: Code) -> Iterator[tuple[ast.FunctionDef, ast.expr | None]]:
    """Constructors of classes with a base that do not call that of the base.

    Each with the expression that was meant to do so; None if there is none.
    """
    for cls in classes_in(code):
        constructor = method_named(cls, "__init__")
        if constructor is None or not cls.bases:
            continue
        mentions = [node for node in nodes(constructor, ast.Attribute) if node.attr == "__init__"]
        calls = [
            code.parents[node] for node in mentions
            if isinstance(code.parents[node], ast.Call)
        ]  # fmt: skip
        if not mentions:
            yield constructor, None
        elif not calls:
            yield constructor, mentions[0]  # super().__init__ without parentheses
        for call in calls:
            if isinstance(call, ast.Call) and _is_call_of_another(call, cls):
                yield constructor, call


def _is_call_of_another(call: ast.Call, cls: ast.ClassDef) -> bool:
    """`super(Other, self).__init__()` or `super().__init__(self)`."""
    assert isinstance(call.func, ast.Attribute)
    inner = call.func.value
    if not isinstance(inner, ast.Call) or getattr(inner.func, "id", "") != "super":
        return False
    names = [getattr(node, "id", "") for node in arguments_of(inner)]
    passes_self = [getattr(node, "id", "") for node in arguments_of(call)] == ["self"]
    return passes_self or (bool(names) and names[0] != cls.name)


def functions_without_self(code: Code) -> Iterator[ast.FunctionDef]:
    for cls in classes_in(code):
        for method in methods_of(cls):
            decorators = {getattr(d, "id", "") for d in method.decorator_list}
            if not decorators & _STATIC and parameters_of(method)[:1] not in (["self"], ["cls"]):
                yield method


def methods_misnamed(code: Code) -> Iterator[tuple[ast.FunctionDef, str]]:
    """Methods with a name close to `__init__` or `forward`, in a class that lacks these."""
    for cls in classes_in(code):
        names = {method.name for method in methods_of(cls)}
        for method in methods_of(cls):
            if "__init__" not in names and method.name in _CONSTRUCTORS:
                yield method, "__init__"
            if "forward" not in names and _is_close(method.name, "forward"):
                yield method, "forward"


def _is_close(name: str, other: str) -> bool:
    return name != other and SequenceMatcher(None, name.lower(), other).ratio() >= _SIMILAR


def nested_methods(code: Code) -> Iterator[tuple[ast.FunctionDef, ast.ClassDef]]:
    """Functions with `self` inside of a method of a class without a method of this name."""
    for cls in classes_in(code):
        names = {method.name for method in methods_of(cls)}
        for method in methods_of(cls):
            for function in nodes(method, ast.FunctionDef):
                is_inner = function is not method and parameters_of(function)[:1] == ["self"]
                if is_inner and function.name not in names:
                    yield function, cls


def statements_with_comma(code: Code) -> Iterator[ast.Assign | ast.Return]:
    """Statements whose value is a tuple of one element without parentheses."""
    found: list[ast.Assign | ast.Return] = [
        *nodes(code.tree, ast.Assign), *nodes(code.tree, ast.Return),
    ]  # fmt: skip
    for statement in found:
        value = statement.value
        if isinstance(value, ast.Tuple) and len(value.elts) == 1:
            element = value.elts[0]
            if (value.lineno, value.col_offset) == (element.lineno, element.col_offset):
                yield statement


_SIZES_OF_LAYERS = {
    "in_channels", "out_channels", "in_features", "out_features", "num_features", "num_embeddings",
    "embedding_dim", "input_size", "hidden_size", "embed_dim", "normalized_shape", "num_channels",
}  # fmt: skip


def sizes_assigned(code: Code) -> Iterator[tuple[ast.Assign, ast.Attribute]]:
    """The statements that assign to a size of another object than `self`."""
    for statement in nodes(code.tree, ast.Assign):
        target = statement.targets[0]
        if not isinstance(target, ast.Attribute) or target.attr not in _SIZES_OF_LAYERS:
            continue
        if not (isinstance(target.value, ast.Name) and target.value.id == "self"):
            yield statement, target
