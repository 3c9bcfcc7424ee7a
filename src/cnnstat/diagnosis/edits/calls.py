"""Calls of what cannot be called so: a list of layers, a class in the place of a layer, a list of
tensors where several arguments are needed, or the reverse.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from ..changes import Change, Proposal, Situation
from ..class_syntax import layer_class
from ..failing_code import FailingCode, creations, failing_code
from ..source_text import Replacement
from ..syntax import (
    Code,
    arguments_of,
    assigned_name,
    code_of,
    keywords_of,
    last_name,
    name_of_called,
    nodes,
)
from ..weights import Features, Prior

_OF_LISTS = {"cat", "concat", "concatenate", "stack", "vstack", "hstack", "dstack"}
_ERRORS = {"TypeError", "NotImplementedError", "RuntimeError", "AttributeError", "ValueError"}


def _proposal(prior: Prior, *replacements: Replacement) -> Proposal:
    return Proposal(Change(replacements=replacements), Features(prior=prior))


# Layers that were not created


def layers_not_created(situation: Situation) -> Iterator[Proposal]:
    """`nn.ReLU()(x)` for `nn.ReLU(x)`, and `nn.ReLU()` for a class where a layer is needed."""
    if situation.failure.error not in _ERRORS:
        return
    for file, text in situation.texts.items():
        code = code_of(file, text)
        for function in nodes(code.tree, ast.FunctionDef):
            replacements = tuple(_applied_classes(code, function))
            if function.name != "__init__" and replacements:
                yield _proposal(Prior.CREATED_AND_CALLED, *replacements)
        for cls in _classes_as_values(code):
            yield _proposal(Prior.CREATED_AND_CALLED, code.inserted_behind(cls, "()"))


def _applied_classes(code: Code, function: ast.FunctionDef) -> Iterator[Replacement]:
    """A class of torch.nn called with a tensor: its constructor gets the other arguments."""
    for call in nodes(function, ast.Call):
        cls, written = layer_class(code, call.func), arguments_of(call)
        above = code.parents[call]
        is_called = isinstance(above, ast.Call) and above.func is call
        if cls is None or is_called or not written or isinstance(written[0], ast.Constant):
            continue
        others = [code.text_of(node) for node in written[1:]]
        others += [f"{name}={code.text_of(value)}" for name, value in keywords_of(call).items()]
        if any(layer_class(code, inner.func) for inner in nodes(written[0], ast.Call)):
            continue  # nested: the inner one first
        name = cls.__name__.lower()
        tensor = code.text_of(written[0])
        functional = code.imports.get("torch.nn.functional")
        is_short = functional is not None and name == "relu" and not others
        text = (f"{functional}.{name}({tensor})" if is_short
                else f"{code.text_of(call.func)}({', '.join(others)})({tensor})")  # fmt: skip
        yield code.replacement(call, text)


def _classes_as_values(code: Code) -> Iterator[ast.expr]:
    """A class of torch.nn that is assigned to an attribute, or is an element of a list."""
    for node in nodes(code.tree, ast.Attribute):
        above = code.parents[node]
        is_attribute = isinstance(above, ast.Assign) and above.value is node and any(
            isinstance(target, ast.Attribute) for target in above.targets
        )  # fmt: skip
        is_element = isinstance(above, ast.List) or (
            isinstance(above, ast.Call) and node in arguments_of(above)
            and name_of_called(above) in ("Sequential", "append")
        )  # fmt: skip
        if (is_attribute or is_element) and layer_class(code, node) is not None:
            yield node


# Lists of layers


def lists_called(situation: Situation) -> Iterator[Proposal]:
    """An `nn.Sequential` in the place of a list of layers that is called, or a loop over it."""
    site = failing_code(situation)
    if site is None or not isinstance(site.node, ast.Call):
        return
    is_list = site.entered is None or (
        site.entered.module is not None and site.entered.module.base in ("ModuleList", "Module")
    )
    if situation.failure.error not in ("TypeError", "NotImplementedError") or not is_list:
        return
    attribute = site.node.func
    if not isinstance(attribute, ast.Attribute) or not isinstance(attribute.value, ast.Name):
        return
    yield from _sequential(situation, site, attribute.attr)
    yield from _loop(site)


def _sequential(situation: Situation, site: FailingCode, attribute: str) -> Iterator[Proposal]:
    found: list[tuple[Code, ast.expr]] = []
    if site.entered is not None:
        found += creations(situation, site.entered.path)
    cls = site.code.around(site.node, ast.ClassDef)
    for node in nodes(cls, ast.Assign) if cls is not None else ():
        if last_name(node.targets[0]) == attribute:
            found.append((site.code, node.value))
    for code, value in found:
        name = code.layer("Sequential")
        if name is None:
            return
        if isinstance(value, ast.Call) and name_of_called(value) == "ModuleList":
            yield _proposal(Prior.SEQUENTIAL, *_as_sequential(code, value, name))
            return
        if isinstance(value, ast.Tuple) and len(value.elts) == 1:
            return  # a layer and a comma, which is what is wrong
        if isinstance(value, ast.List | ast.ListComp | ast.Tuple):
            yield _proposal(Prior.SEQUENTIAL, code.wrapped(value, f"{name}(*", ")"))
            return
        if isinstance(value, ast.Call) and name_of_called(value) == "OrderedDict":
            yield _proposal(Prior.SEQUENTIAL, code.wrapped(value, f"{name}(", ")"))
            return


def _as_sequential(code: Code, call: ast.Call, name: str) -> Iterator[Replacement]:
    yield code.replacement(call.func, name)
    for layers in arguments_of(call)[:1]:
        yield unpacked(code, layers)


def unpacked(code: Code, node: ast.expr) -> Replacement:
    """The items of an argument as arguments, a generator in parentheses of its own."""
    text, above = code.text_of(node), code.parents[node]
    # The only argument, it has the parentheses of the call.
    is_only = isinstance(node, ast.GeneratorExp) and code.text_of(above).endswith(text)
    return code.replacement(node, f"(*{text})" if is_only else f"*{text}")


def _loop(site: FailingCode) -> Iterator[Proposal]:
    """`for layer in self.layers: x = layer(x)` in the place of `self.layers(x)`."""
    assert isinstance(site.node, ast.Call)
    statement = site.code.statement(site.node)
    operand = site.operand
    if not isinstance(operand, ast.Name) or len(arguments_of(site.node)) != 1:
        return
    layers, x = site.code.text_of(site.node.func), operand.id
    name = assigned_name(statement, site.node)
    before = [f"{name} = {x}"] * (name not in (None, x))
    name = name or x
    loop = [*before, f"for layer in {layers}:", f"    {name} = layer({name})"]
    if assigned_name(statement, site.node) is None:  # a part of a statement, which follows
        yield _proposal(Prior.LOOP, site.code.replacement(site.node, name),
                        site.code.line_before(statement, "\n".join(loop)))  # fmt: skip
    else:
        text = f"\n{site.code.indentation(statement)}".join(loop)
        yield _proposal(Prior.LOOP, site.code.replacement(statement, text))


def missing_layers(situation: Situation) -> Iterator[Proposal]:
    """`nn.Identity()` in the place of a None among layers."""
    if situation.failure.error != "TypeError":
        return
    for file, text in situation.texts.items():
        code = code_of(file, text)
        name = code.layer("Identity")
        for call in code.calls_of("Sequential", code.tree) if name else ():
            for none in nodes(call, ast.Constant):
                if none.value is None and not isinstance(code.parents[none], ast.keyword):
                    yield _proposal(Prior.IDENTITY, code.replacement(none, f"{name}()"))


# Lists of arguments


def lists_of_arguments(situation: Situation) -> Iterator[Proposal]:
    """Brackets around the tensors of a `cat`, a `*` before a list of layers or tensors."""
    site = failing_code(situation)
    if situation.failure.error != "TypeError" or site is None:
        return
    node, code = site.node, site.code
    if not isinstance(node, ast.Call):
        return
    written = arguments_of(node)
    if name_of_called(node) in _OF_LISTS and len(written) > 1:
        tensors = [n for n in written if not isinstance(n, ast.Constant | ast.UnaryOp)]
        if tensors == written[: len(tensors)]:
            yield _proposal(Prior.BRACKETS, code.inserted_before(tensors[0], "["),
                            code.inserted_behind(tensors[-1], "]"))  # fmt: skip
    elif len(written) > 1 and site.entered is not None and code.named("torch.cat"):
        if site.entered.module is not None and site.entered.module.base == "Sequential":
            opening = f"{code.named('torch.cat')}(["
            for axis in (1, -1):
                yield _proposal(Prior.JOINED_INPUTS, code.inserted_before(written[0], opening),
                                code.inserted_behind(written[-1], f"], {axis})"))  # fmt: skip
    elif len(written) == 1 and not isinstance(written[0], ast.Starred | ast.Constant):
        yield _proposal(Prior.STAR, unpacked(code, written[0]))
